from __future__ import annotations

import math
from pathlib import Path

import pytest

from ktlsserve.observe.access_log import AccessLog
from ktlsserve.observe.board import Board
from ktlsserve.observe.counters import ACCEPTED, LOG_LINES_LOST, Counters
from ktlsserve.worker.upkeep import Upkeep

NOW_S = 100.0


class SlowLog(AccessLog):
    """A log whose reader takes nothing for as many times as ``slow`` says."""

    def __init__(self, file: Path, slow: int = 0) -> None:
        super().__init__(str(file))
        self.slow = slow
        self.flushed = 0
        self.closed = False

    def flush_due(self, now_s: float) -> bool:
        self.flushed += 1
        return self.flushed <= self.slow

    def close(self) -> None:
        self.closed = True
        super().close()


@pytest.fixture
def board() -> Board:
    return Board(Counters(), 1)


def shown(board: Board) -> int:
    return board.totals()["connections_accepted"][()]


def test_counts_are_shown_a_second_after_something_happened(board: Board) -> None:
    slot = board.slot(0)
    counts = slot.begin()
    upkeep = Upkeep(counts, slot, None, {})
    assert (upkeep.due_s, upkeep.asleep) == (math.inf, True)
    counts[ACCEPTED] += 1
    upkeep.wake(NOW_S)
    assert (upkeep.due_s, upkeep.asleep, shown(board)) == (NOW_S + 1.0, False, 0)
    upkeep.run(NOW_S + 1.0)
    assert (upkeep.due_s, upkeep.asleep, shown(board)) == (math.inf, True, 1)


def test_with_nothing_to_do_it_never_wakes() -> None:
    upkeep = Upkeep([0], None, None, {})
    assert (upkeep.due_s, upkeep.asleep) == (math.inf, False)
    upkeep.close()


def test_a_slow_log_is_tried_again_and_counts_are_shown_meanwhile(board: Board, tmp_path: Path) -> None:
    slot = board.slot(0)
    counts = slot.begin()
    log = SlowLog(tmp_path / "log", slow=2)
    upkeep = Upkeep(counts, slot, log, {})
    upkeep.wake(NOW_S)
    for turn in range(1, 3):
        counts[ACCEPTED] += 1
        upkeep.run(NOW_S + turn)
        assert (upkeep.due_s, shown(board)) == (NOW_S + turn + 1.0, turn)
    upkeep.run(NOW_S + 3)
    assert (upkeep.due_s, upkeep.asleep, log.flushed) == (math.inf, True, 3)
    upkeep.close()


def test_what_others_count_is_added_to_what_a_predecessor_showed(board: Board) -> None:
    lost = 4
    for _ in range(2):
        slot = board.slot(0)
        upkeep = Upkeep(slot.begin(), slot, None, {LOG_LINES_LOST: lambda: lost})
        upkeep.run(NOW_S)
        upkeep.run(NOW_S)
    assert board.totals()["access_log_lines_lost"][()] == 8


def test_the_end_shows_what_there_is_and_the_log_too(board: Board, tmp_path: Path) -> None:
    slot = board.slot(0)
    counts = slot.begin()
    log = SlowLog(tmp_path / "log")
    upkeep = Upkeep(counts, slot, log, {LOG_LINES_LOST: lambda: 3 if log.closed else 0})
    counts[ACCEPTED] += 1
    upkeep.close()
    assert (shown(board), log.closed) == (1, True)
    # Lines that the end could not write are lost too.
    assert board.totals()["access_log_lines_lost"][()] == 3
