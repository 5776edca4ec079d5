"""How fast counts grow, from a few looks at them in the last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from ktlsserve.observe.counters import Labels

# Workers show their counts once a second, so that a shorter time would mostly tell when they do it.
_WINDOW_S = 5.0
_SHORTEST_S = 1.5
# Looks that are closer to each other add nothing.
_APART_S = 0.4

Counts = Mapping[str, Mapping[Labels, int]]


@dataclass(frozen=True, slots=True)
class Rates:
    """Growth per second over the last ``over_s`` seconds, by family and labels."""

    over_s: float
    _before: Counts
    _now: Counts

    def of(self, family: str, labels: Labels | None = None) -> float:
        """Return the growth of one count, or of a whole family; what wasn't there before has begun at 0."""
        now, before = self._now.get(family, {}), self._before.get(family, {})
        wanted = now if labels is None else (labels,)
        return sum(now.get(each, 0) - before.get(each, 0) for each in wanted) / self.over_s


class Pace:
    """Remembers the looks of the last seconds."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, Counts]] = deque()

    def look(self, counts: Counts, now_s: float) -> Rates | None:
        """Note ``counts`` at ``now_s`` of the monotonic clock; return how fast they grow, if that is known yet."""
        looks = self._looks
        while len(looks) > 1 and now_s - looks[1][0] >= _WINDOW_S:
            looks.popleft()
        before_s, before = looks[0] if looks else (now_s, counts)
        if not looks or now_s - looks[-1][0] >= _APART_S:
            looks.append((now_s, counts))
        over_s = now_s - before_s
        return Rates(over_s, before, counts) if over_s >= _SHORTEST_S else None
