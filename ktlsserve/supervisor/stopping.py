"""The course of a stop, as moments of monotonic time; what is done at each is the supervisor's."""

from __future__ import annotations

import math

# After drain_s the workers abort what is left by themselves; whoever is still there a moment later hangs.
KILL_MARGIN_S = 2.0


class Stopping:
    """Whether the server stops, until when it accepts (``accept_until_s``), and when whoever is left is killed."""

    def __init__(self) -> None:
        self.begun = False
        self.accept_until_s = math.inf
        self.kill_s = math.inf

    def begin(self, now_s: float, drain_s: float, pause_s: float) -> None:
        """Stop: accept for ``pause_s`` more, and end after ``drain_s``."""
        self.begun = True
        self.accept_until_s = now_s + pause_s
        self.kill_s = now_s + drain_s + KILL_MARGIN_S

    def stop_accepting(self, now_s: float) -> bool:
        """Tell, once, that it is time to stop accepting."""
        due = now_s >= self.accept_until_s
        if due:
            self.accept_until_s = math.inf
        return due

    def hurry(self, now_s: float) -> None:
        """End now."""
        self.accept_until_s = min(self.accept_until_s, now_s)
        self.kill_s = now_s
