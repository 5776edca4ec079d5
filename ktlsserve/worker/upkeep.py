"""What a worker does once a second at most, and only after it has done something else: an idle one sleeps on."""

from __future__ import annotations

import math
from collections.abc import Callable

from ktlsserve.files.cache import FileCache
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.observe.board import Slot
from ktlsserve.observe.counters import (
    FILE_CACHE_HIT,
    FILE_CACHE_MISS,
    LOG_LINES_LOST,
    PAUSES_LIMIT,
    PAUSES_RESOURCES,
    REFUSED_CONNECTIONS,
    REFUSED_REQUESTS,
)
from ktlsserve.worker.accepting import Acceptor
from ktlsserve.worker.limiting import ClientLimits

# The longest that a line of the access log waits for company, and that counts are behind.
_INTERVAL_S = 1.0


class Upkeep:
    """Writes the access log out and shows the counts; either may be None.

    After each turn of the loop ``run`` is called if ``due_s`` has come, else ``wake`` if ``asleep`` is set. ``samples``
    are counts that others keep: a cell for each, and what returns the count.
    """

    def __init__(
        self,
        counts: list[int],
        slot: Slot | None,
        access_log: AccessLog | None,
        samples: dict[int, Callable[[], int]],
    ) -> None:
        self._counts = counts
        self._slot = slot
        self._log = access_log
        # Each on top of what a predecessor in this slot has counted.
        self._samples = [(cell, counts[cell], read) for cell, read in samples.items()]
        self.due_s = math.inf
        self.asleep = slot is not None or access_log is not None

    def wake(self, now_s: float) -> None:
        """Have ``run`` called a second from now, because something has happened."""
        self.due_s = now_s + _INTERVAL_S
        self.asleep = False

    def run(self, now_s: float) -> None:
        """Do what is due; go to sleep, unless the log has lines that a slow reader or a full disk didn't take."""
        self.due_s, self.asleep = math.inf, True
        if self._log is not None and self._log.flush_due(now_s):
            self.wake(now_s)
        self._show()

    def close(self) -> None:
        """Do all of it for the last time."""
        if self._log is not None:
            self._log.close()
        self._show()

    def _show(self) -> None:
        if self._slot is None:
            return
        for cell, begun, read in self._samples:
            self._counts[cell] = begun + read()
        self._slot.show(self._counts)


def sampled(
    files: FileCache, acceptor: Acceptor, limits: ClientLimits | None, log: AccessLog | None
) -> dict[int, Callable[[], int]]:
    """Return the cells of what these count by themselves, and how to read each."""
    samples: dict[int, Callable[[], int]] = {
        FILE_CACHE_HIT: lambda: files.opened - files.looks,
        FILE_CACHE_MISS: lambda: files.looks,
        PAUSES_RESOURCES: lambda: acceptor.pauses,
        PAUSES_LIMIT: lambda: acceptor.times_full,
    }
    if limits is not None:
        samples[REFUSED_CONNECTIONS] = lambda: limits.refused_connections.count
        samples[REFUSED_REQUESTS] = lambda: limits.refused_requests.count
    if log is not None:
        samples[LOG_LINES_LOST] = lambda: log.dropped_lines
    return samples
