"""Times, counted in buckets narrow enough for percentiles and few enough to be sent between processes.

Locust rounds what takes less than 100 ms to whole milliseconds: on a local network everything is then 0 or 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

# Three digits: a bucket is at most one per cent wide, so that a percentile is wrong by at most half of that.
_DIGITS = 3


class Histogram:
    """How many times fell into each bucket; a bucket is named by its middle, in microseconds."""

    def __init__(self, buckets: Iterable[tuple[int, int]] = ()) -> None:
        self._counts: Counter[int] = Counter(dict(buckets))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self._counts == other._counts

    __hash__ = None  # type: ignore[assignment]  # it changes

    @property
    def count(self) -> int:
        """How many times there are."""
        return self._counts.total()

    def add(self, time_ms: float) -> None:
        """Count one time."""
        time_us = round(time_ms * 1000)
        self._counts[time_us if time_us < 1000 else round(time_us, _DIGITS - len(str(time_us)))] += 1

    def merge(self, other: Histogram) -> None:
        """Count all that another has counted."""
        self._counts.update(other._counts)

    def pack(self) -> list[tuple[int, int]]:
        """Return the buckets and their counts, for a message."""
        return sorted(self._counts.items())

    def percentile_ms(self, share: float) -> float:
        """Return the time that ``share`` (0.99) of all times don't exceed, 0 where there are none."""
        rank = max(1, math.ceil(share * self.count))
        for time_us in sorted(self._counts):
            rank -= self._counts[time_us]
            if rank <= 0:
                return time_us / 1000
        return 0.0
