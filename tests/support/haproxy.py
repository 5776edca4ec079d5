"""HAProxy with the project's own configuration, in which only the addresses are others."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.programs import find_program
from tests.support.server import CHECKOUT
from tests.support.waiting import LIMIT_S, wait_until

CONFIGURATION = CHECKOUT / "config" / "haproxy.cfg"
_FRONTEND = "bind :443"
_SERVERS = {"one": "192.0.2.11:8443", "two": "192.0.2.12:8443"}


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that nobody has now."""
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in socks]
    for sock in socks:
        sock.close()
    return ports


class Haproxy:
    """A load balancer on ``port`` before two servers on ``backends``, their ports; ended with the block."""

    def __init__(self, folder: Path, port: int, backends: Sequence[int]) -> None:
        folder.mkdir()
        self.port = port
        self._control = folder / "control"
        self._log = folder / "log"
        text = CONFIGURATION.read_text(encoding="utf-8")
        addresses = {
            f"server {name} {there}": f"server {name} 127.0.0.1:{here}"
            for (name, there), here in zip(_SERVERS.items(), backends, strict=True)
        }
        for old, new in {_FRONTEND: f"bind 127.0.0.1:{port}", **addresses}.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
        (folder / "control.cfg").write_text(f"global\n    stats socket {self._control} mode 600\n", encoding="utf-8")
        self._command = [find_program("haproxy"), "-f", str(folder / "haproxy.cfg"), "-f", str(folder / "control.cfg")]

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen([*self._command, "-db"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: self.states() or self._process.poll() is not None, "HAProxy")
            assert self._process.poll() is None, self._log.read_text()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(LIMIT_S)

    def complaints(self) -> str:
        """Have HAProxy check its configuration; return what it complains of."""
        done = subprocess.run(
            [*self._command, "-c", "-q"], capture_output=True, text=True, check=False, timeout=LIMIT_S
        )
        return done.stdout + done.stderr + (f"status {done.returncode}" if done.returncode else "")

    def states(self) -> dict[str, str]:
        """Return what HAProxy thinks of each server: UP, DOWN, NOLB (it stops) and on the way ``UP 1/2``."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(LIMIT_S)
            try:
                control.connect(str(self._control))
                control.sendall(b"show stat\n")
                answer = b""
                while data := control.recv(65536):
                    answer += data
            except OSError:
                return {}
        rows = [line.split(",") for line in answer.decode().splitlines() if line and not line.startswith("#")]
        return {row[1]: row[17] for row in rows if row[0] == "ktlsserve" and row[1] in _SERVERS}

    def wait_for(self, name: str, state: str) -> None:
        """Wait until HAProxy thinks so of a server."""
        wait_until(lambda: self.states().get(name) == state, f"HAProxy has {name} {state}")
