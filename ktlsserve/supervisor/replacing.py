"""When a worker that ended is replaced, and when that is given up."""

from __future__ import annotations

# A worker that lived longer than this has served; one that dies sooner is given longer and longer pauses.
SETTLED_S = 10.0
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
# With the pauses between them, half a minute: whatever passes by itself has passed.
MOST_FAILED_BOOTS = 10


class Replacement:
    """The pauses between deaths and successors; ``due_s`` is when the next worker may be forked.

    Workers that die once they serve are replaced for ever: a request may have killed them, and giving up would do its
    sender a favour. Those that never come to serve are not.
    """

    def __init__(self) -> None:
        self.due_s = 0.0
        self.failed_boots = 0
        self._pause_s = 0.0

    @property
    def hopeless(self) -> bool:
        """Whether no worker has come to serve for so many times that none will."""
        return self.failed_boots >= MOST_FAILED_BOOTS

    def note_end(self, lived_s: float, now_s: float, *, served: bool) -> float:
        """A worker ended after ``lived_s``; return how long its successor must wait."""
        self.failed_boots = 0 if served else self.failed_boots + 1
        if lived_s >= SETTLED_S:
            self._pause_s = 0.0
        pause_s = self._pause_s
        self.due_s = now_s + pause_s
        self._pause_s = min(max(FIRST_PAUSE_S, 2 * pause_s), LONGEST_PAUSE_S)
        return pause_s

    def note_failed_fork(self, now_s: float) -> None:
        """The kernel has no process to give: others need what little there is, too."""
        self.due_s = now_s + LONGEST_PAUSE_S
