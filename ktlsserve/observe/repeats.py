"""Warnings of what may happen thousands of times a second: the first is logged at once, then one a minute."""

from __future__ import annotations

import logging
import math

_QUIET_S = 60.0


class Repeats:
    """Counts what happens in ``count``, and logs ``message`` with the last detail and how often it was since."""

    __slots__ = ("_due_s", "_logger", "_message", "_told", "count")

    def __init__(self, logger: logging.Logger, message: str) -> None:
        self.count = 0
        self._logger = logger
        self._message = message
        self._told = 0
        self._due_s = -math.inf

    def note(self, detail: str, now_s: float) -> None:
        """Count once more; log it if that hasn't been done for a while."""
        self.count += 1
        if now_s >= self._due_s:
            self._due_s = now_s + _QUIET_S
            self._logger.warning(
                "%s: %s (%d since the last such message)", detail, self._message, self.count - self._told
            )
            self._told = self.count
