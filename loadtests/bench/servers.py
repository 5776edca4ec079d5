"""A peer as a running process: started, waited for until it answers, and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from loadtests.bench import client, procfs
from loadtests.bench.errors import RunFailed
from loadtests.bench.peers import Peer
from loadtests.bench.place import HOST, Place
from loadtests.bench.processors import Processors
from loadtests.bench.workloads import target

# Debian's Python and an emulated processor both take their time.
_START_LIMIT_S = 60.0
_STOP_LIMIT_S = 10.0
_POLL_S = 0.02
_LOG_LINES = 5


class Server:
    """Runs from construction on until ``stop`` or the end of a ``with`` block; RunFailed says why it doesn't."""

    def __init__(self, peer: Peer, place: Place, processors: Processors) -> None:
        self.peer = peer
        self.place = place
        self._log = place.folder / "server.log"
        launch = peer.launch(place)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                processors.for_server(launch.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **launch.environment},
                cwd=place.folder,
            )
        try:
            self._wait_until_it_answers()
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
        if self._process.poll() is not None:
            raise RunFailed(f"{self.peer.name} ended with status {self._process.returncode}: {self.last_words()}")
        return procfs.process_tree(self._process.pid)

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
        return " | ".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:])

    def stop(self) -> None:
        """End it: by SIGTERM, and what is left of its processes after a while by SIGKILL."""
        pids = procfs.process_tree(self._process.pid)
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                for pid in pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self._process.wait()

    def _wait_until_it_answers(self) -> None:
        give_up_s = time.monotonic() + _START_LIMIT_S
        while True:
            try:
                return self.check("1KiB")
            except RunFailed as error:
                if self._process.poll() is not None or time.monotonic() > give_up_s:
                    words = f"{error}; its log: {self.last_words()}"
                    raise RunFailed(f"{self.peer.name} doesn't serve {HOST}:{self.place.port}: {words}") from error
            time.sleep(_POLL_S)
