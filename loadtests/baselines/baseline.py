"""A server to compare with: what it serves, and itself as a running process."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from loadtests.baselines.asking import Protocol, ask, missing_client
from loadtests.baselines.drops import udp_drops
from loadtests.baselines.errors import Missing, NotStarted
from loadtests.bench.errors import RunFailed
from loadtests.bench.launch import Launch
from loadtests.bench.place import HOST, Place, free_port
from loadtests.bench.process import ServerProcess
from loadtests.bench.processors import bound_to
from loadtests.bench.workloads import Mode

# The question whether a server is ready is asked of a small file; in a large tree the first of them are looked at.
_FILES_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Site:
    """The tree that is served, the certificate and key for it (PEM), and what clients are to trust."""

    root: Path
    certificate: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Running:
    """A baseline that answers. ``log`` is the file that it writes to; it goes when the baseline is stopped."""

    name: str
    protocol: Protocol
    url: str
    port: int
    log: Path
    _process: ServerProcess = field(repr=False)

    @property
    def pid(self) -> int:
        """The process that was started, from which the others descend."""
        return self._process.pid

    @property
    def pids(self) -> list[int]:
        """All its processes as they are now; raises NotStarted if it has ended."""
        try:
            return self._process.pids()
        except RunFailed as error:
            raise NotStarted(str(error)) from error

    def drops(self) -> int:
        """Count the datagrams that its sockets had no room for so far: with many, figures tell of losses."""
        return udp_drops(self.pid, self.port)

    def wait(self) -> int:
        """Wait until it ends by itself, and return its exit status."""
        return self._process.wait()

    def last_words(self) -> str:
        """Return the end of its log, in one line."""
        return self._process.last_words()

    def stop(self) -> None:
        """End it now; the end of the ``with`` block does so too."""
        self._process.stop()


@dataclass(frozen=True, slots=True)
class Baseline:
    """A server with its configuration. ``lacks`` says what is missing and what to install, None where nothing is."""

    name: str
    protocol: Protocol
    launch: Callable[[Place], Launch]
    lacks: Callable[[], str | None]
    version: Callable[[], str]
    mode: Mode = Mode.USERSPACE

    def missing(self) -> str | None:
        """Say why it can't be started and what to install, or None where it can."""
        return self.lacks() or missing_client()

    @contextmanager
    def start(self, site: Site, address: str = HOST, port: int = 0, cpus: Sequence[int] = ()) -> Iterator[Running]:
        """Run it on ``cpus`` (all where none is named) until the block ends; port 0 is a free one.

        The block begins once a file of the tree was fetched over the baseline's own protocol and had the right bytes.
        Raises Missing or NotStarted with the reason.
        """
        reason = self.missing()
        if reason:
            raise Missing(f"{self.name}: {reason}")
        sample = sample_file(site.root)
        port = port or free_port(address)
        _require_free(self.protocol, address, port)
        with tempfile.TemporaryDirectory(prefix="ktlsserve-baseline-") as folder:
            place = Place(
                Path(folder),
                site.root.resolve(),
                site.certificate.resolve(),
                port,
                self.mode,
                site.key.resolve(),
                address,
            )
            process = self._run(place, cpus)
            running = Running(self.name, self.protocol, place.url(""), port, process.log, process)
            try:
                try:
                    process.wait_until(lambda: check(running, site, sample))
                except RunFailed as error:
                    raise NotStarted(str(error)) from error
                yield running
            finally:
                process.stop()

    def _run(self, place: Place, cpus: Sequence[int]) -> ServerProcess:
        launch = self.launch(place)
        try:
            return ServerProcess(self.name, Launch(bound_to(cpus, launch.command), launch.environment), place.folder)
        except RunFailed as error:
            raise NotStarted(str(error)) from error


def check(running: Running, site: Site, path: str) -> None:
    """Fetch the file at ``path`` (relative to the tree) and compare it.

    Raises RunFailed while there is no answer, NotStarted or Untrusted where there is one that won't become better.
    """
    answer = ask(f"{running.url}/{quote(path)}", running.protocol, site.ca)
    if answer.status != 200:
        raise NotStarted(f"{running.name} answers GET /{path} with status {answer.status}: {running.last_words()}")
    if answer.body != (site.root / path).read_bytes():
        raise NotStarted(f"{running.name} answers GET /{path} with other bytes than the file's")


def sample_file(root: Path) -> str:
    """Return the path of a small file in the tree that every server shows by that name; raises NotStarted without one.

    Hidden names aren't served by all, Caddy sends who asks for an index.html to its folder, and an empty file could be
    anybody's.
    """
    found: list[tuple[int, str]] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder, name)
            plain = path.relative_to(root).as_posix()
            if plain.isascii() and not name.startswith(".") and name != "index.html":
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and status.st_size:
                    found.append((status.st_size, plain))
        if len(found) >= _FILES_LOOKED_AT:
            break
    if not found:
        raise NotStarted(
            f"there is no file in {root} to ask a server for (hidden and empty ones and index.html don't count)"
        )
    return min(found)[1]


def _require_free(protocol: Protocol, address: str, port: int) -> None:
    """Raise NotStarted where the port is taken: otherwise somebody else might give the right answer."""
    kind = socket.SOCK_DGRAM if protocol is Protocol.HTTP_3 else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise NotStarted(f"{address} port {port}: {error.strerror}; choose another with --port") from error
