"""A container of the image: as confined as docs/container.md says that it may be, with a port of this machine."""

from __future__ import annotations

import itertools
import json
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.image.engine import Engine
from tests.support import processes
from tests.support.waiting import wait_until
from tests.support.wire import TlsWire

# Docker's and podman's own confinement stays as well: the seccomp profile, masked paths, namespaces.
CONFINED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_numbers = itertools.count(1)


class Container:
    """Runs the image from the beginning of the block to its end.

    ``variables`` are set in it, ``volumes`` mounted read-only, by their path there; ``options`` are further ones of the
    runtime, ``arguments`` those of the image's entry point. ``network`` is ``host``, where the
    server gets an address on the loopback, or ``none``, where it is alone with the image's own configuration.
    ``authority`` is the file by which its certificate is verified, None where anything will do.
    """

    def __init__(
        self,
        engine: Engine,
        image: str,
        *,
        network: str = "host",
        variables: Mapping[str, str] | None = None,
        volumes: Mapping[str, Path] | None = None,
        authority: Path | None = None,
        options: Sequence[str] = (),
        arguments: Sequence[str] = (),
    ) -> None:
        self._engine = engine
        self.name = f"server-{next(_numbers)}"
        self.address = ("127.0.0.1", free_port())
        self._authority = authority
        said = dict(variables or {})
        if network == "host":
            said = {"KTLSSERVE_LISTEN": f"127.0.0.1:{self.address[1]}", **said}
        self._command = [
            *("run", "--detach", f"--name={self.name}", f"--network={network}", *CONFINED, "--health-interval=disable"),
            *(f"--env={name}={value}" for name, value in said.items()),
            *(f"--volume={path}:{place}:ro" for place, path in (volumes or {}).items()),
            *(*options, image, *arguments),
        ]

    def __enter__(self) -> Self:
        """Start it, and wait until it serves."""
        self._engine.podman(*self._command)
        try:
            wait_until(self._serves, "the container's listening line")
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(f"--- the container's log ---\n{self.log()}")
        self._remove()

    # What it says and is.

    def log(self) -> str:
        """Return what the server has written to both its streams."""
        return self._engine.podman_status("logs", self.name)[1]

    def wait_for_log(self, pattern: str) -> re.Match[str]:
        """Wait until its log matches somewhere."""
        return wait_until(lambda: re.search(pattern, self.log(), re.MULTILINE), f"{pattern!r} in the container's log")

    @property
    def supervisor(self) -> int:
        """The process of this machine that is the container's first."""
        return int(self._state()["Pid"])

    def workers(self) -> list[int]:
        """Return the processes of this machine that are its workers."""
        supervisor = self.supervisor
        # 0 is that of a container which has ended, and the parent of this machine's first process.
        return processes.children(supervisor) if supervisor else []

    def exit_status(self) -> int:
        """Return what it has ended with."""
        state = self._state()
        assert state["Status"] == "exited"
        return int(state["ExitCode"])

    # What is asked of it.

    def healthcheck(self) -> tuple[int, str]:
        """Run the image's own health check once; return its exit status, and what the last one said."""
        status, _ = self._engine.podman_status("healthcheck", "run", self.name)
        record = json.loads(self._engine.podman("inspect", "--format={{json .State}}", self.name))
        health = record.get("Health") or record["Healthcheck"]
        return status, health["Log"][-1]["Output"].strip()

    def run(self, *command: str) -> str:
        """Run a command in it and return what it prints."""
        return self._engine.podman("exec", self.name, *command)

    def wire(self, *, receive_buffer_bytes: int = 0) -> TlsWire:
        """Return a connection to it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self._authority is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_verify_locations(self._authority)
        return TlsWire(self.address, context, receive_buffer_bytes=receive_buffer_bytes)

    def _state(self) -> dict[str, Any]:
        (record,) = json.loads(self._engine.podman("inspect", self.name))
        state: dict[str, Any] = record["State"]
        return state

    def _serves(self) -> bool:
        state = self._state()
        assert state["Status"] != "exited", f"the container ended with status {state['ExitCode']}:\n{self.log()}"
        return "listening on " in self.log()

    def _remove(self) -> None:
        # SIGKILL at once, which ends those too that a test has stopped.
        self._engine.podman("rm", "--force", "--time=0", self.name, status=None)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
