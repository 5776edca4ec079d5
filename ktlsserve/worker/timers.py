"""Deadlines of connections, in O(1) for every operation.

Each kind of timeout has one length, so the order in which deadlines are set is the order in which they pass: a queue
for each kind, kept in a dictionary (which remembers insertion order and deletes from its middle at no cost). A
connection has at most one deadline at a time; setting another moves it.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from enum import Enum
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)
Kind = TypeVar("Kind", bound=Enum)


class Deadlines(Generic[Owner, Kind]):
    """Deadlines by owner; ``lengths_s`` gives each kind its length in seconds.

    No deadline passes before ``soonest_s`` (infinity when there is none): a bound that costs nothing to keep, for the
    loop to sleep by. It is exact again after ``expired``.
    """

    def __init__(self, lengths_s: dict[Kind, float]) -> None:
        self._lengths_s = lengths_s
        self._queues: dict[Kind, dict[Owner, float]] = {kind: {} for kind in lengths_s}
        self._kind_of: dict[Owner, Kind] = {}
        self.soonest_s = math.inf

    def set(self, owner: Owner, kind: Kind, now_s: float) -> None:
        """Give ``owner`` a deadline of ``kind`` counted from now, instead of any that it had."""
        previous = self._kind_of.get(owner)
        if previous is not None:
            del self._queues[previous][owner]
        self._kind_of[owner] = kind
        deadline_s = now_s + self._lengths_s[kind]
        self._queues[kind][owner] = deadline_s
        if deadline_s < self.soonest_s:  # noqa: PLR1730 - min() takes twice as long, once for every request
            self.soonest_s = deadline_s

    def clear(self, owner: Owner) -> None:
        """Take the owner's deadline away, if it has one."""
        kind = self._kind_of.pop(owner, None)
        if kind is not None:
            del self._queues[kind][owner]

    def next_s(self) -> float | None:
        """Return when the earliest deadline passes, or None."""
        firsts = [next(iter(queue.values())) for queue in self._queues.values() if queue]
        return min(firsts) if firsts else None

    def expired(self, now_s: float) -> Iterator[tuple[Owner, Kind]]:
        """Take out and yield what has passed. The caller may set and clear deadlines meanwhile."""
        for kind, queue in self._queues.items():
            while queue:
                owner = next(iter(queue))
                if queue[owner] > now_s:
                    break
                self.clear(owner)
                yield owner, kind
        self.soonest_s = self.next_s() or math.inf

    def __len__(self) -> int:
        return len(self._kind_of)
