"""A server that is succeeded by others on the same sockets: which process it is now, and that none is left behind."""

from __future__ import annotations

import os
import signal
from types import TracebackType
from typing import Self

from tests.support import processes
from tests.support.server import Server
from tests.support.waiting import wait_until


class Upgrades:
    """Upgrades ``server``, any number of times; ``pid`` is the newest supervisor. The block's end ends that one.

    The server's own process is ended by whoever started it, unless it has left the field and ended by itself.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.pid = server.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.pid != self.server.pid:
            self.stop()

    def upgrade(self) -> int:
        """Have the newest supervisor succeeded by another, and return that one's process once it serves."""
        mark = self.server.log_mark()
        os.kill(self.pid, signal.SIGUSR2)
        self.pid = int(self.server.wait_for_log(r"process (\d+) serves; this one drains", since=mark)[1])
        return self.pid

    def stop(self) -> None:
        """End the newest supervisor, with its workers."""
        workers = processes.children(self.pid)
        os.kill(self.pid, signal.SIGTERM)
        wait_until(lambda: not any(map(processes.runs, (self.pid, *workers))), "the end of the successor")
        self.pid = self.server.pid
        self.server.require_no_bug()
