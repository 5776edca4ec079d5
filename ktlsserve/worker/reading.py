"""Reads files ahead in threads, so that the loop sends only what is in memory.

A connection whose next window isn't there waits for it in the state READING. What a thread reads it throws away: the
pages stay in the page cache, from which sendfile takes them. It also tells the kernel that the next two windows will
be wanted, so that the disk is busy while this one is being sent, and a thread isn't needed for each of them.

The file stays open for as long as a thread may read it: each errand has a use of its own, counted by the loop. What
went wrong in a read is found out by sending: it isn't tried twice, so a connection always gets on or ends.
"""

from __future__ import annotations

import contextlib
import logging
import os
from dataclasses import dataclass

from ktlsserve.files.open_file import OpenFile
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.errands import Errands
from ktlsserve.worker.residency import WINDOW_BYTES, Residency
from ktlsserve.worker.states import State

logger = logging.getLogger(__name__)

# What the disk goes on with while the window is being sent.
_AHEAD_BYTES = 2 * WINDOW_BYTES
_ADVICE_BYTES = 1 << 17
# Written to by all threads, read by none.
_SCRATCH = memoryview(bytearray(1 << 18))


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a file that is read; equal ones of the same open file are read once."""

    file: OpenFile
    offset: int
    count: int


class Reader:
    """Reads the next window of connections' replies in up to ``most_threads`` threads."""

    def __init__(self, most_threads: int, most_queued: int) -> None:
        self._errands: Errands[Window, bool, Connection] = Errands(
            "reader", read_window, fallback=False, most_threads=most_threads, most_queued=most_queued
        )
        self._windows: dict[Connection, Window] = {}
        self.fileno = self._errands.fileno
        self.close = self._errands.close

    def submit(self, conn: Connection) -> bool:
        """Have the next window of the connection's reply read; return False where too many wait."""
        part = conn.outbox.window() if conn.outbox is not None else None
        if part is None or not isinstance(part[0], OpenFile):
            raise RuntimeError("there is no file to read")
        window = Window(part[0], part[1], part[2])
        is_new = window not in self._errands
        if not self._errands.submit(window, conn):
            return False
        if is_new:
            window.file.retain()
        self._windows[conn] = window
        return True

    def cancel(self, conn: Connection) -> None:
        """Forget a connection that waits."""
        window = self._windows.pop(conn, None)
        if window is not None:
            self._errands.cancel(window, conn)

    def finished(self, residency: Residency) -> list[Connection]:
        """Return the connections whose window has been read, and tell ``residency`` of it."""
        resumed: list[Connection] = []
        for window, was_read, waiting in self._errands.finished():
            if was_read:
                residency.note_read(window.file, window.offset, window.count)
            window.file.release()
            for conn in waiting:
                del self._windows[conn]
                if conn.state is State.READING:
                    resumed.append(conn)
        return resumed


def read_window(window: Window) -> bool:
    """Have the page cache filled with the window; this runs in a thread, and waits as long as it takes."""
    fd, offset, end = window.file.fd, window.offset, window.offset + window.count
    with contextlib.suppress(OSError):
        # Only advice. Of each call the kernel takes no more than the device's read_ahead_kb.
        for advised in range(offset, end + _AHEAD_BYTES, _ADVICE_BYTES):
            os.posix_fadvise(fd, advised, _ADVICE_BYTES, os.POSIX_FADV_WILLNEED)
    try:
        while offset < end:
            count = os.preadv(fd, [_SCRATCH[: end - offset]], offset)
            if not count:
                break
            offset += count
    except OSError as error:
        logger.debug("reading ahead: %s", error)
    return True
