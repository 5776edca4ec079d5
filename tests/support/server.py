"""The real server as a process: started with any settings, listened to, stopped, and its end looked at.

::

    with Server(tmp_path / "server", root, tls="kernel", settings={"timeouts.close_s": 1.0}) as server:
        ... server.url, server.port, server.ca_file, server.worker_pids(), server.wait_for_log("draining") ...

Leaving the block stops it with SIGTERM, and fails the test if it doesn't end with status 0, or if its log tells of a
bug. Both its streams go to files, so that nothing is lost and nobody has to read them in time.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, ClassVar, Protocol, Self

from tests.support import processes
from tests.support.waiting import LIMIT_S, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]
PROGRAM = ("-m", "ktlsserve")

_LISTENING = re.compile(
    r"^listening on (?P<scheme>https?)://(?P<host>.+):(?P<port>\d+) tls=(?P<tls>\S+) workers=(?P<workers>\d+)"
    r" root=(?P<root>.*)$",
    re.MULTILINE,
)
# How the server names what it didn't foresee, whatever the level of its log.
_BUG = re.compile(r"Traceback|a bug ended|this is a bug")


@dataclass(frozen=True, slots=True)
class Listening:
    """One ``listening on`` line, in its parts; ``host`` is an IPv6 address in brackets, or an IPv4 address."""

    scheme: str
    host: str
    port: int
    tls: str
    workers: int
    root: str


class Process(Protocol):
    """What is needed of a Popen object."""

    pid: int

    @property
    def returncode(self) -> int | None:
        """The exit status, once the process is known to have ended."""

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end."""

    def send_signal(self, sig: int, /) -> None:
        """Send a signal."""

    def kill(self) -> None:
        """End the process at once."""


class Forks(Protocol):
    """Starts processes quicker than Popen: see tests/support/forked_servers.py."""

    def start(
        self, program: Sequence[str], environment: Mapping[str, str], stdout: BinaryIO, stderr: BinaryIO
    ) -> Process:
        """Start what Python would with the arguments in ``program``."""


class Server:
    """A server process; runs from the construction on, until ``stop`` or the end of a ``with`` block.

    ``folder`` is made for it, and keeps its configuration (``server.toml``), its certificate and its streams. ``tls``,
    ``workers`` and ``listen`` are the settings that most tests choose; ``settings`` are all others by key path, as
    TOML would give them (``{"tls.receive": "openssl"}``). ``arguments`` are added to its command line, ``environment``
    to what it inherits. ``program`` are Python's arguments that start it, ``inherit`` the descriptors that it gets.
    Where ``forks`` is set, all servers are started by it.
    """

    forks: ClassVar[Forks | None] = None

    def __init__(
        self,
        folder: Path,
        root: Path,
        *,
        tls: str = "auto",
        workers: int = 1,
        listen: Sequence[str] = ("127.0.0.1:0",),
        settings: Mapping[str, object] | None = None,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = PROGRAM,
        inherit: Sequence[int] = (),
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.config_file = folder / "server.toml"
        # Where the server keeps the certificate that it makes when it is given none; clients trust that file.
        self.ca_file = folder / "state" / "ktlsserve" / "self-signed.pem"
        self._settings: dict[str, object] = {
            "server.root": str(root),
            "server.listen": list(listen),
            "server.workers": workers,
            "tls.mode": tls,
            "log.level": "debug",
        }
        if not processes.can_look_into_all():
            # Many tests count its descriptors; those of its confinement ask for that.
            self._settings["server.confine"] = "off"
        self.configure(settings or {})
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            command = (*program, "serve", "--config", str(self.config_file), *arguments)
            inherited = _environment(folder, environment or {})
            self.process: Process
            if Server.forks is not None:
                assert not inherit, "a process that is forked keeps no descriptors"
                self.process = Server.forks.start(command, inherited, stdout, stderr)
            else:
                self.process = subprocess.Popen(
                    [sys.executable, *command],
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    env=inherited,
                    pass_fds=inherit,
                )
        try:
            wait_until(lambda: self._has_started(len(listen)), "the server's listening lines")
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            # The test has failed already: its own error is the one to see, with what the server said beside it.
            self.kill()
            print(f"--- the server's log ---\n{self.log()}", file=sys.stderr)
        elif self.process.returncode is None:
            self.stop()

    # Where it is.

    def listening(self) -> list[Listening]:
        """Return the ``listening on`` lines printed so far."""
        return [
            Listening(
                match["scheme"], match["host"], int(match["port"]), match["tls"], int(match["workers"]), match["root"]
            )
            for match in _LISTENING.finditer(self.output())
        ]

    @property
    def host(self) -> str:
        """The address of the first listener, without brackets."""
        return self.listening()[0].host.strip("[]")

    @property
    def port(self) -> int:
        """The port of the first listener."""
        return self.listening()[0].port

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the first listener, as ``socket`` takes them."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The first listener's URL, without a slash at its end."""
        line = self.listening()[0]
        return f"{line.scheme}://{line.host}:{line.port}"

    # What it says.

    def output(self) -> str:
        """Return what it has written to standard output."""
        return (self.folder / "stdout").read_text(encoding="utf-8", errors="replace")

    def log(self) -> str:
        """Return what it has written to standard error."""
        return (self.folder / "stderr").read_text(encoding="utf-8", errors="replace")

    def log_mark(self) -> int:
        """Return where the log ends now, for ``wait_for_log``."""
        return len(self.log())

    def wait_for_log(self, pattern: str, *, since: int = 0, limit_s: float = LIMIT_S) -> re.Match[str]:
        """Wait until a line of the log matches ``pattern`` somewhere, from position ``since`` on."""
        compiled = re.compile(pattern, re.MULTILINE)
        try:
            return wait_until(lambda: compiled.search(self.log(), since), f"{pattern!r} in the log", limit_s=limit_s)
        except AssertionError as error:
            raise AssertionError(f"{error}; the log:\n{self.log()[since:]}") from None

    # What it consists of.

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        return self.process.pid

    def worker_pids(self) -> list[int]:
        """Return the workers' processes."""
        return processes.children(self.pid)

    def sockets(self) -> int:
        """Count the sockets in the workers: listeners, control sockets and connections."""
        return processes.sockets(self.worker_pids())

    # What is done to it.

    def configure(self, settings: Mapping[str, object]) -> None:
        """Write its configuration file anew with ``settings`` over those it has; SIGHUP makes it read the file."""
        self._settings |= settings
        draft = self.config_file.with_suffix(".new")
        draft.write_text(toml_document(self._settings), encoding="utf-8")
        draft.replace(self.config_file)

    def send_signal(self, number: signal.Signals) -> None:
        """Send the supervisor a signal."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, limit_s: float = LIMIT_S) -> None:
        """End it by a signal, and require status 0 and a log without bugs."""
        self.send_signal(number)
        self.wait(limit_s=limit_s)

    def wait(self, status: int = 0, *, limit_s: float = LIMIT_S) -> None:
        """Wait for its end, and require ``status`` and a log without bugs."""
        try:
            ended = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end within {limit_s:g} s; its log:\n{self.log()}") from None
        assert ended == status, f"the server ended with status {ended}; its log:\n{self.log()}"
        self.require_no_bug()

    def require_no_bug(self) -> None:
        """Fail if its log tells of anything that the server didn't foresee."""
        assert not _BUG.search(self.log()), f"the server's log:\n{self.log()}"

    def kill(self) -> None:
        """End it at once, workers included."""
        workers = self.worker_pids()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in workers:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def _has_started(self, listeners: int) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with status {self.process.returncode}:\n{self.log()}")
        return len(self.listening()) >= listeners


def toml_document(settings: Mapping[str, object]) -> str:
    """Write settings by key path (``table.key``, or ``key`` for what stands in no table) as a TOML document."""
    top = ""
    tables: dict[str, list[str]] = {}
    for path, value in settings.items():
        table, dot, key = path.partition(".")
        if dot:
            tables.setdefault(table, []).append(f"{key} = {_toml_value(value)}\n")
        else:
            top += f"{path} = {_toml_value(value)}\n"
    return "\n".join([top, *(f"[{table}]\n{''.join(lines)}" for table, lines in tables.items())])


def _toml_value(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, Path):
        return json.dumps(str(value))
    # Strings, numbers and booleans are written in TOML as in JSON.
    return json.dumps(value)


def _environment(folder: Path, additions: Mapping[str, str]) -> dict[str, str]:
    """Inherit ours, but keep the server's state in its folder, and find the package that is being tested."""
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "XDG_STATE_HOME": str(folder / "state"),
        **additions,
    }
