"""What a service manager is told: sd_notify(3), a datagram to the socket that NOTIFY_SOCKET names.

Where there is no such variable nothing is told, and that nobody listens is no reason to stop: it is only a notice.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import time
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class Notifier:
    """Tells the service manager of ``environ``; ``due_s`` is when its watchdog wants the next word."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        name = environ.get("NOTIFY_SOCKET", "")
        # An abstract name (unix(7)) is written with @ in the place of its NUL.
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._watchdog_s = _watchdog_s(environ) if self._address else math.inf
        self.due_s = 0.0 if self._watchdog_s < math.inf else math.inf

    def ready(self, status: str, main_pid: int | None = None) -> None:
        """The server serves, after its start, a reload, or the start of its successor ``main_pid``."""
        self._tell("READY=1", f"STATUS={status}", *([f"MAINPID={main_pid}"] if main_pid is not None else []))

    def reloading(self) -> None:
        """The configuration is being read again; ``ready`` says when that is over."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        """The server ends."""
        self._tell("STOPPING=1", f"STATUS={status}")

    def beat(self, now_s: float) -> None:
        """Tell the watchdog that the supervisor's loop turns, twice as often as it wants (sd_watchdog_enabled(3))."""
        if now_s >= self.due_s:
            self.due_s = now_s + self._watchdog_s / 2
            self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
            sock.setblocking(False)
            try:
                sock.sendto("\n".join(lines).encode(), self._address)
            except OSError as error:
                logger.warning("the service manager can't be told %s: %s", lines[0], error.strerror)


def _watchdog_s(environ: Mapping[str, str]) -> float:
    """Return how often the watchdog wants to hear of this process; never is infinite."""
    wanted_of = environ.get("WATCHDOG_PID")
    try:
        if wanted_of is None or int(wanted_of) == os.getpid():
            microseconds = int(environ["WATCHDOG_USEC"])
            return microseconds / 1e6 if microseconds > 0 else math.inf
    except (KeyError, ValueError):
        pass
    return math.inf
