"""Where a server runs: its folder, the tree that it serves, its address and certificate."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.workloads import Mode

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Place:
    """What a server is told: ``folder`` is its own, ``pem`` holds its certificate (in clear modes unused).

    The key is in ``pem`` as well, unless ``key`` names a file of its own.
    """

    folder: Path
    tree: Path
    pem: Path
    port: int
    mode: Mode
    key: Path | None = None
    address: str = HOST

    @property
    def encrypted(self) -> bool:
        """Whether the server speaks TLS."""
        return self.mode is not Mode.PLAIN

    @property
    def key_file(self) -> Path:
        """The file with the key."""
        return self.key or self.pem

    @property
    def authority(self) -> str:
        """Address and port, as URLs and configurations name them."""
        return f"{f'[{self.address}]' if ':' in self.address else self.address}:{self.port}"

    def url(self, path: str) -> str:
        """Return the URL of a target."""
        return f"{'https' if self.encrypted else 'http'}://{self.authority}{path}"


def free_port(address: str = HOST) -> int:
    """Return a port that nobody listens on now, neither by TCP nor by UDP."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        with socket.socket(family) as stream, socket.socket(family, socket.SOCK_DGRAM) as datagrams:
            stream.bind((address, 0))
            port: int = stream.getsockname()[1]
            try:
                datagrams.bind((address, port))
            except OSError:
                continue
            return port
