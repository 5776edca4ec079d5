"""Errands: what would hold up the event loop is done by threads, which say so when it is done.

The queue is bounded. Threads are started as they are needed, in the worker: they don't survive a fork. An errand that
nobody waits for any more when its turn comes is left undone. Threads only perform: what belongs to the loop (counts of
references, connections) is touched by the loop alone, before ``submit`` and after ``finished``.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Thread
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")
W = TypeVar("W", bound=Hashable)

# What a thread is at may never end (a server of files that is gone); the process ends without it.
_JOIN_S = 1.0


@dataclass(slots=True)
class _Job(Generic[K, R, W]):
    """An errand, and those who wait for its result."""

    key: K
    waiting: dict[W, None]
    result: R


class Errands(Generic[K, R, W]):
    """Has up to ``most_threads`` threads run ``perform`` on keys, each for somebody who waits (a connection).

    ``fallback`` is the result of what was left undone, and where a bug keeps ``perform`` from having one. ``fileno``
    becomes readable when ``finished`` has something to return. Close it when nobody waits any more.
    """

    def __init__(
        self, name: str, perform: Callable[[K], R], fallback: R, *, most_threads: int, most_queued: int
    ) -> None:
        self._name = name
        self._perform = perform
        self._fallback = fallback
        self._most_threads = most_threads
        self._fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._queue: Queue[_Job[K, R, W] | None] = Queue(max(most_queued, most_threads))
        # Appended to by threads, taken from by the loop: both ends of a deque are safe for that.
        self._done: deque[_Job[K, R, W]] = deque()
        self._jobs: dict[K, _Job[K, R, W]] = {}
        self._threads: list[Thread] = []

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._fd

    def __contains__(self, key: K) -> bool:
        return key in self._jobs

    def submit(self, key: K, waiter: W) -> bool:
        """Have ``key`` performed for ``waiter``; return False where too many others are before it.

        Equal keys that are submitted before ``finished`` has told of the first are performed once.
        """
        job = self._jobs.get(key)
        if job is not None:
            job.waiting[waiter] = None
            return True
        job = _Job(key, {waiter: None}, self._fallback)
        try:
            self._queue.put_nowait(job)
        except Full:
            return False
        self._jobs[key] = job
        if len(self._threads) < min(self._most_threads, len(self._jobs)):
            thread = Thread(target=self._run, name=self._name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return True

    def cancel(self, key: K, waiter: W) -> None:
        """Take ``waiter`` from those who wait; ``finished`` tells of the key all the same."""
        job = self._jobs.get(key)
        if job is not None:
            job.waiting.pop(waiter, None)
            if not job.waiting:
                # It may be left undone now: who comes later needs another.
                del self._jobs[key]

    def finished(self) -> list[tuple[K, R, list[W]]]:
        """Return what is done: each key with its result and those who wait for it still."""
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return []
        done: list[tuple[K, R, list[W]]] = []
        while self._done:
            job = self._done.popleft()
            if self._jobs.get(job.key) is job:
                del self._jobs[job.key]
            done.append((job.key, job.result, list(job.waiting)))
        return done

    def close(self) -> None:
        """End the threads, each after what it is at, and close the descriptor. Closing again does nothing."""
        with suppress(Empty):
            while True:
                self._queue.get_nowait()
        for _ in self._threads:
            # There is room: the queue is as long as there are threads, at least.
            self._queue.put_nowait(None)
        for thread in self._threads:
            thread.join(_JOIN_S)
        # A thread that is still at something writes to it when it is done.
        if self._fd >= 0 and not any(thread.is_alive() for thread in self._threads):
            fd, self._fd = self._fd, -1
            os.close(fd)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.waiting:
                try:
                    job.result = self._perform(job.key)
                except Exception:
                    logger.exception("%s: a bug ended an errand", self._name)
            self._done.append(job)
            os.eventfd_write(self._fd, 1)
