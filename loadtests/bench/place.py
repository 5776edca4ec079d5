"""Where a server runs: its folder, the tree that it serves, its address and certificate."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.workloads import Mode

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """What a server is told: ``folder`` is its own, ``pem`` holds certificate and key (in clear modes unused)."""

    folder: Path
    tree: Path
    pem: Path
    port: int
    mode: Mode

    @property
    def encrypted(self) -> bool:
        """Whether the server speaks TLS."""
        return self.mode is not Mode.PLAIN

    def url(self, path: str) -> str:
        """Return the URL of a target."""
        return f"{'https' if self.encrypted else 'http'}://{HOST}:{self.port}{path}"


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
