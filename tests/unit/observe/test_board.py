from __future__ import annotations

import os

import pytest

from ktlsserve.observe.board import Board, Ledger
from ktlsserve.observe.counters import ACCEPTED, OPEN_OFF, Counters

COUNTERS = Counters(["a.example"])


@pytest.fixture
def board() -> Board:
    return Board(COUNTERS, 2)


def show(board: Board, number: int, **counts: int) -> None:
    slot = board.slot(number)
    mine = slot.begin()
    mine[ACCEPTED] += counts.get("accepted", 0)
    mine[OPEN_OFF] += counts.get("open_now", 0)
    slot.show(mine)


def accepted(totals: dict[str, dict[tuple[str, ...], int]]) -> int:
    return totals["connections_accepted"][()]


def test_slots_add_up(board: Board) -> None:
    show(board, 0, accepted=3)
    show(board, 1, accepted=4)
    assert accepted(board.totals()) == 7


def test_what_a_child_shows_its_parent_sees(board: Board) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            show(board, 1, accepted=5)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert accepted(board.totals()) == 5


def test_a_successor_counts_on_and_begins_what_is_now_at_nothing(board: Board) -> None:
    show(board, 0, accepted=3, open_now=2)
    board.slot(0).begin()
    assert (accepted(board.totals()), board.totals()["connections"][("off",)]) == (3, 0)
    show(board, 0, accepted=1, open_now=1)
    assert (accepted(board.totals()), board.totals()["connections"][("off",)]) == (4, 1)


def test_what_an_ended_worker_had_open_is_taken_back(board: Board) -> None:
    show(board, 0, accepted=3, open_now=2)
    show(board, 1, open_now=1)
    board.keep_gauges([0, 1])
    assert board.totals()["connections"][("off",)] == 3
    board.keep_gauges([1])
    totals = board.totals()
    assert (accepted(totals), totals["connections"][("off",)]) == (3, 1)


def test_a_slot_is_not_touched_while_its_worker_lives(board: Board) -> None:
    board.keep_gauges([0])
    show(board, 0, open_now=2)
    board.keep_gauges([0])
    assert board.totals()["connections"][("off",)] == 2


def test_a_ledger_never_falls(board: Board) -> None:
    ledger = Ledger()
    ledger.add(board)
    show(board, 0, accepted=3)
    other = Board(Counters(["b.example"]), 1)
    ledger.add(other)
    show(other, 0, accepted=10)
    assert accepted(ledger.totals()) == 13
    ledger.close(board)
    assert accepted(ledger.totals()) == 13
    assert {site for site, _ in ledger.totals()["requests_worked_out"]} >= {"a.example", "b.example"}


def test_a_copy_goes_its_own_way(board: Board) -> None:
    ledger = Ledger()
    ledger.add(board)
    copied = ledger.copy()
    show(board, 0, accepted=3)
    ledger.close(board)
    ledger.add(Board(COUNTERS, 1))
    # It still reads the board, and hasn't been told of the sum as well.
    assert accepted(copied.totals()) == 3
