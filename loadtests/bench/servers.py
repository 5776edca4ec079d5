"""A peer as a running process: started, waited for until it answers, and stopped."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from loadtests.bench import client
from loadtests.bench.errors import RunFailed
from loadtests.bench.launch import Launch
from loadtests.bench.peers import Peer
from loadtests.bench.place import Place
from loadtests.bench.process import ServerProcess
from loadtests.bench.processors import Processors
from loadtests.bench.workloads import target


class Server:
    """Runs from construction on until ``stop`` or the end of a ``with`` block; RunFailed says why it doesn't."""

    def __init__(self, peer: Peer, place: Place, processors: Processors) -> None:
        self.peer = peer
        self.place = place
        launch = peer.launch(place)
        self._process = ServerProcess(
            peer.name, Launch(processors.for_server(launch.command), launch.environment), place.folder
        )
        try:
            self._process.wait_until(lambda: self.check("1KiB"))
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def pids(self) -> list[int]:
        """Return its processes; raises RunFailed if it has ended."""
        return self._process.pids()

    def check(self, size: str) -> None:
        """Fetch a file and compare it with the one in the tree; raises RunFailed if anything is wrong."""
        self.pids()
        path = target(size)
        connection = client.connect(self.place.port, self.trusted())
        try:
            body = client.fetch(connection, path)
        finally:
            connection.close()
        if body != (self.place.tree / path.lstrip("/")).read_bytes():
            raise RunFailed(f"{self.peer.name} answers GET {path} with other bytes than the file's")

    def trusted(self) -> Path | None:
        """Return the file with the certificate that clients trust, None where there is no TLS."""
        return self.place.pem if self.place.encrypted else None

    def last_words(self) -> str:
        """Return the end of what it wrote, in one line."""
        return self._process.last_words()

    def stop(self) -> None:
        """End it, with all its processes."""
        self._process.stop()
