"""Verifies passwords in a thread of its own, so that the event loop goes on.

One thread: whoever guesses passwords gets as many guesses a second as one CPU allows, and the loop keeps the others.
The queue is bounded; what doesn't fit is refused, and the client told to come again.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Generic, TypeVar

from ktlsserve.http1.auth import Attempt, Verdict
from ktlsserve.worker.errands import Errands

logger = logging.getLogger(__name__)

W = TypeVar("W", bound=Hashable)

# At a tenth of a second each the last one waits for six, less than a connection's time for its request.
_MOST_QUEUED = 64


class Verifier(Generic[W]):
    """Takes attempts, each for somebody who waits for the verdict (in a worker: a connection).

    ``fileno`` becomes readable when ``finished`` has something to return. Close it when nobody waits any more.
    """

    def __init__(self, most_queued: int = _MOST_QUEUED) -> None:
        self._errands: Errands[Attempt, Verdict, W] = Errands(
            "verifier", _verify, Verdict.REFUSED, most_threads=1, most_queued=most_queued
        )
        self.fileno = self._errands.fileno
        self.close = self._errands.close

    def submit(self, attempt: Attempt, waiter: W) -> bool:
        """Have ``attempt`` verified for ``waiter``; return False where too many others are before it.

        Equal attempts are verified once: a browser sends the same credentials over several connections.
        """
        return self._errands.submit(attempt, waiter)

    def finished(self, now_s: int) -> list[W]:
        """Settle the attempts that have been verified; return those who waited for them, to be asked again."""
        waiters: list[W] = []
        for attempt, verdict, waiting in self._errands.finished():
            attempt.settle(verdict, now_s)
            waiters += waiting
        return waiters


def _verify(attempt: Attempt) -> Verdict:
    try:
        return attempt.verify()
    except Exception:
        # Refused, as it stands there: nobody gets in because of a bug.
        logger.exception("a bug kept credentials from being verified")
        return Verdict.REFUSED
