"""Shared memory in which workers show what they have counted.

Theory of operation
-------------------
The supervisor makes a board before it forks a generation of workers, and each worker has a slot of 64-bit words there.
It alone writes to it: it copies its list of counts once a second at most, so counting itself touches no shared memory.
Whoever reads adds the slots up. There is no lock: words are aligned, so each is read whole, and that two of them may
be of different moments does no harm to counters.

A worker that replaces another in its slot counts on from what stands there, so nothing is lost but what its predecessor
hadn't shown, and no counter ever falls.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterable

from ktlsserve.observe.counters import Counters, Labels, add_up

_WORD_BYTES = 8


class Slot:
    """The part of a board that one worker writes to."""

    __slots__ = ("_counters", "_words")

    def __init__(self, counters: Counters, words: memoryview) -> None:
        self._counters = counters
        self._words = words

    def begin(self) -> list[int]:
        """Return the list to count in; nobody sees any more what a predecessor said of its present."""
        counts = self._counters.begin(self._words)
        self.show(counts)
        return counts

    def show(self, counts: list[int]) -> None:
        """Let others see ``counts``."""
        self._words[:] = array("q", counts)


class Board:
    """Shared memory with a slot for each of ``slots`` workers, which count what ``counters`` says."""

    def __init__(self, counters: Counters, slots: int) -> None:
        self.counters = counters
        self.slots = slots
        self._in_use: set[int] = set()
        self._memory = mmap.mmap(-1, slots * counters.size * _WORD_BYTES)

    def slot(self, number: int) -> Slot:
        """Return the slot of the ``number``-th worker."""
        size = self.counters.size
        words = memoryview(self._memory).cast("q")
        return Slot(self.counters, words[number * size : (number + 1) * size])

    def keep_gauges(self, numbers: Iterable[int]) -> None:
        """Take back what slots say of now whose workers have ended: all but those of the workers ``numbers``."""
        in_use = set(numbers)
        for number in self._in_use - in_use:
            self.slot(number).begin()
        self._in_use = in_use

    def totals(self) -> dict[str, dict[Labels, int]]:
        """Return the sum of all slots, by family and labels."""
        size = self.counters.size
        words = array("q", bytes(self._memory))
        sums = [sum(words[cell::size]) for cell in range(size)]
        return self.counters.by_family(sums)


class Ledger:
    """All that a server has counted: what is on boards, and what was on those of generations that are gone."""

    def __init__(self) -> None:
        self._boards: list[Board] = []
        self._past: dict[str, dict[Labels, int]] = {}

    def add(self, board: Board) -> None:
        """Count what is on ``board`` too."""
        self._boards.append(board)

    def close(self, board: Board) -> None:
        """Note the last of a board whose workers have all ended."""
        self._boards.remove(board)
        add_up(self._past, board.totals())

    def copy(self) -> Ledger:
        """Return what stays as it is while the supervisor goes on."""
        copied = Ledger()
        copied._boards = list(self._boards)
        add_up(copied._past, self._past)
        return copied

    def totals(self) -> dict[str, dict[Labels, int]]:
        """Return all sums by family and labels."""
        sums: dict[str, dict[Labels, int]] = {}
        for totals in (self._past, *(board.totals() for board in self._boards)):
            add_up(sums, totals)
        return sums
