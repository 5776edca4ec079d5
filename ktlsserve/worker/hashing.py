"""Has files hashed by threads, for replies that need an entity-tag made of the content.

Two threads with a queue each: one for files that a request waits for, and one for those so long that none does, behind
which all others would wait. A request waits for a moment only (``ETAG_WAIT_S``), so that a slow disk costs it an
entity-tag rather than its time; so does a full queue. Whoever asks again has the file hashed again, until it is done.

Without files to hash there is no thread, and without sites that want it there is no ``Hashing``.
"""

from __future__ import annotations

from collections.abc import Hashable
from threading import Event
from typing import Generic, TypeVar

from ktlsserve.http1.reply import Errand
from ktlsserve.worker.errands import Errands

W = TypeVar("W", bound=Hashable)

AWAITED_BYTES = 16 << 20
"""Files up to this size are waited for: 20 ms of hashing, a fifth of a second of a hard disk's. Longer ones are
downloads, whose first clients can do without an entity-tag."""

ETAG_WAIT_S = 5.0
"""The longest that a request waits. A file of that size that takes longer lies on a disk in trouble, and may take any
time; half of what a client has for its own part (``timeouts.head_s``)."""

MOST_QUEUED = 64


class Hashing(Generic[W]):
    """Does errands, some of them for somebody who waits (in a worker: a connection).

    The descriptors of ``filenos`` become readable when ``finished`` has something to return.
    """

    def __init__(self, most_queued: int = MOST_QUEUED) -> None:
        self._stopping = Event()
        self._awaited = self._crew("hashing", most_queued)
        self._others = self._crew("hashing-long", most_queued)

    def filenos(self) -> tuple[int, int]:
        """Return the descriptors to poll."""
        return self._awaited.fileno(), self._others.fileno()

    def submit(self, errand: Errand, waiter: W) -> bool:
        """Have ``errand`` done; return whether ``waiter`` may wait for it, who is then among the ``finished``."""
        if errand.size <= AWAITED_BYTES:
            return self._awaited.submit(errand, waiter)
        self._others.submit(errand, None)
        return False

    def finished(self) -> list[W]:
        """Settle what is done; return those who waited for it, to be asked again."""
        waiters: list[W] = []
        for errands in (self._awaited, self._others):
            for errand, found, waiting in errands.finished():
                if found is not None:
                    errand.settle(found)
                waiters += [waiter for waiter in waiting if waiter is not None]
        return waiters

    def close(self) -> None:
        """End the threads, in the middle of a file too."""
        self._stopping.set()
        self._awaited.close()
        self._others.close()

    def _crew(self, name: str, most_queued: int) -> Errands[Errand, bytes | None, W | None]:
        return Errands(name, self._perform, None, most_threads=1, most_queued=most_queued)

    def _perform(self, errand: Errand) -> bytes | None:
        return errand.run(self._stopping.is_set)
