"""Verifies passwords in a thread of its own, so that the event loop goes on.

One thread: whoever guesses passwords gets as many guesses a second as one CPU allows, and the loop keeps the others.
The queue is bounded; what doesn't fit is refused, and the client told to come again. The thread starts with the first
attempt, in the worker: threads don't survive a fork.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Thread
from typing import Generic, TypeVar

from ktlsserve.http1.auth import Attempt, Verdict

logger = logging.getLogger(__name__)

W = TypeVar("W")

# At a tenth of a second each the last one waits for six, less than a connection's time for its request.
_MOST_QUEUED = 64


@dataclass(slots=True)
class _Job(Generic[W]):
    """An attempt, and those who wait for its verdict."""

    attempt: Attempt
    waiting: dict[W, None]
    verdict: Verdict = Verdict.REFUSED


class Verifier(Generic[W]):
    """Takes attempts, each for somebody who waits for the verdict (in a worker: a connection).

    ``fileno`` becomes readable when ``finished`` has something to return. Close it when nobody waits any more.
    """

    def __init__(self, most_queued: int = _MOST_QUEUED) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._queue: Queue[_Job[W] | None] = Queue(most_queued)
        # Appended to by the thread, taken from by the loop: both ends of a deque are safe for that.
        self._done: deque[_Job[W]] = deque()
        self._jobs: dict[Attempt, _Job[W]] = {}
        self._thread: Thread | None = None

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._fd

    def submit(self, attempt: Attempt, waiter: W) -> bool:
        """Have ``attempt`` verified for ``waiter``; return False where too many others are before it.

        Equal attempts are verified once: a browser sends the same credentials over several connections.
        """
        job = self._jobs.get(attempt)
        if job is not None:
            job.waiting[waiter] = None
            return True
        job = _Job(attempt, {waiter: None})
        try:
            self._queue.put_nowait(job)
        except Full:
            return False
        self._jobs[attempt] = job
        if self._thread is None:
            self._thread = Thread(target=self._run, name="verifier", daemon=True)
            self._thread.start()
        return True

    def finished(self, now_s: int) -> list[W]:
        """Settle the attempts that have been verified; return those who waited for them, to be asked again."""
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return []
        waiters: list[W] = []
        while self._done:
            job = self._done.popleft()
            del self._jobs[job.attempt]
            job.attempt.settle(job.verdict, now_s)
            waiters += job.waiting
        return waiters

    def close(self) -> None:
        """End the thread, after what it is at, and close the descriptor."""
        if self._thread is not None:
            with suppress(Empty):
                while True:
                    self._queue.get_nowait()
            self._queue.put(None)
            self._thread.join()
        os.close(self._fd)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                job.verdict = job.attempt.verify()
            except Exception:
                # Refused, as it stands there: nobody gets in because of a bug.
                logger.exception("a bug kept credentials from being verified")
            self._done.append(job)
            os.eventfd_write(self._fd, 1)
