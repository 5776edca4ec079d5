"""The order within a turn of the loop, and how much a long reply may take of it.

Theory of operation
-------------------
epoll reports a connection that can go on sending in each turn, in front of those whose requests came in while its last
slice was being sent: they would wait for that slice and for the next one. So those who go on sending come last in a
turn: a request waits for no more than the slices that are under way when it comes.

There may be several of them: one has its slice in each turn, the others in the next ones, in the order in which they
had their last. Of many it is an eighth, because poll tells of all of them each time, and that would cost more than a
slice; and at least four while there is nobody else.

A slice is short while there is anybody else to wait for it. Long ones save CPU time (3.7 GB/s with 1 MiB where 128 KiB
come to 3.2), and that is for those who download when nobody else is there.
"""

from __future__ import annotations

import select
from collections.abc import Callable, Iterable

# The part of those who wait to send on that has its slice in a turn: one of so many.
_SENDERS_SHARE = 8
_LEAST_SHARED = 1
_LEAST_ALONE = 4
# Long enough that a client which asks again at once is still there, and short enough to be forgotten in no time.
_OTHERS_FOR_S = 0.01


class Turn:
    """Hands events to ``handle``, those of who is only sending last; ``slice_bytes`` is what each of them may send.

    That is ``shared_bytes`` while there are others, ``alone_bytes`` otherwise.
    """

    __slots__ = (
        "_alone_bytes",
        "_handle",
        "_others_until_s",
        "_served",
        "_served_at",
        "_shared_bytes",
        "_waiting",
        "slice_bytes",
    )

    def __init__(self, handle: Callable[[int, int], None], *, alone_bytes: int, shared_bytes: int) -> None:
        self._handle = handle
        self._alone_bytes = alone_bytes
        self._shared_bytes = min(alone_bytes, shared_bytes)
        self._others_until_s = 0.0
        # Events by descriptor, of those who can send on; a dictionary remembers who came first.
        self._waiting: dict[int, int] = {}
        # How many slices had been sent when a descriptor had its last one.
        self._served_at: dict[int, int] = {}
        self._served = 0
        self.slice_bytes = alone_bytes

    def handle(self, ready: Iterable[tuple[int, int]], now_s: float) -> None:
        """Deal with the events of a turn."""
        senders: list[tuple[int, int]] = []
        others = False
        for event in ready:
            if event[1] & select.EPOLLOUT:
                senders.append(event)
            else:
                others = True
                self._handle(*event)
        if others:
            self._others_until_s = now_s + _OTHERS_FOR_S
            self.slice_bytes = self._shared_bytes
        elif now_s >= self._others_until_s:
            self.slice_bytes = self._alone_bytes
        if senders or self._waiting:
            self._send_on(senders, _LEAST_ALONE if now_s >= self._others_until_s else _LEAST_SHARED)

    def forget(self, fd: int) -> None:
        """Drop a connection that is about to close: its descriptor may be another's soon."""
        self._waiting.pop(fd, None)
        self._served_at.pop(fd, None)

    @property
    def unfinished(self) -> bool:
        """Whether somebody waits for the next turn."""
        return bool(self._waiting)

    def _send_on(self, senders: list[tuple[int, int]], least: int) -> None:
        """Let some of ``senders``, and of those who wait since an earlier turn, send a slice."""
        waiting, served_at = self._waiting, self._served_at
        if len(senders) > least:
            # epoll reports them in the same order each time: the first of them would be served in every turn.
            senders.sort(key=lambda event: served_at.get(event[0], 0))
        waiting.update(senders)
        for _ in range(max(least, len(waiting) // _SENDERS_SHARE)):
            # Handling one may have ended another.
            if not waiting:
                return
            fd = next(iter(waiting))
            self._served += 1
            served_at[fd] = self._served
            self._handle(fd, waiting.pop(fd))
