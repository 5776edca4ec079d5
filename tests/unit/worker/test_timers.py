from __future__ import annotations

import math
from enum import Enum, auto

import pytest

from ktlsserve.worker.timers import Deadlines


class Kind(Enum):
    SHORT = auto()
    LONG = auto()


@pytest.fixture
def deadlines() -> Deadlines[str, Kind]:
    return Deadlines({Kind.SHORT: 1.0, Kind.LONG: 10.0})


def taken(deadlines: Deadlines[str, Kind], now_s: float) -> list[tuple[str, Kind]]:
    return list(deadlines.expired(now_s))


def test_nothing_expires_of_nothing(deadlines: Deadlines[str, Kind]) -> None:
    assert deadlines.next_s() is None
    assert taken(deadlines, 1e9) == []
    assert len(deadlines) == 0


def test_a_deadline_passes_at_its_moment_and_once(deadlines: Deadlines[str, Kind]) -> None:
    deadlines.set("a", Kind.SHORT, 100.0)
    assert deadlines.next_s() == 101.0
    assert taken(deadlines, 100.999) == []
    assert taken(deadlines, 101.0) == [("a", Kind.SHORT)]
    assert taken(deadlines, 102.0) == []
    assert deadlines.next_s() is None


def test_they_pass_in_order(deadlines: Deadlines[str, Kind]) -> None:
    for number, owner in enumerate("abc"):
        deadlines.set(owner, Kind.SHORT, float(number))
    assert [owner for owner, _ in taken(deadlines, 2.0)] == ["a", "b"]
    assert [owner for owner, _ in taken(deadlines, 3.0)] == ["c"]


def test_the_next_one_is_the_earliest_of_all_kinds(deadlines: Deadlines[str, Kind]) -> None:
    deadlines.set("long", Kind.LONG, 0.0)
    deadlines.set("short", Kind.SHORT, 5.0)
    assert deadlines.next_s() == 6.0
    deadlines.clear("short")
    assert deadlines.next_s() == 10.0


def test_another_deadline_moves_the_owners_only_one(deadlines: Deadlines[str, Kind]) -> None:
    deadlines.set("a", Kind.SHORT, 0.0)
    deadlines.set("a", Kind.LONG, 0.0)
    assert len(deadlines) == 1
    assert taken(deadlines, 9.0) == []
    assert taken(deadlines, 10.0) == [("a", Kind.LONG)]


def test_the_same_deadline_anew_goes_behind_the_others(deadlines: Deadlines[str, Kind]) -> None:
    deadlines.set("a", Kind.SHORT, 0.0)
    deadlines.set("b", Kind.SHORT, 0.5)
    deadlines.set("a", Kind.SHORT, 0.9)
    assert deadlines.next_s() == 1.5
    assert [owner for owner, _ in taken(deadlines, 1.8)] == ["b"]
    assert [owner for owner, _ in taken(deadlines, 1.9)] == ["a"]


def test_what_is_cleared_never_passes(deadlines: Deadlines[str, Kind]) -> None:
    deadlines.set("a", Kind.SHORT, 0.0)
    deadlines.clear("a")
    deadlines.clear("a")
    deadlines.clear("never set")
    assert taken(deadlines, 1e9) == []
    assert len(deadlines) == 0


def test_the_caller_may_clear_others_meanwhile(deadlines: Deadlines[str, Kind]) -> None:
    for owner in "abcd":
        deadlines.set(owner, Kind.SHORT, 0.0)
    passed = []
    for owner, _ in deadlines.expired(1.0):
        passed.append(owner)
        deadlines.clear("b")
        deadlines.clear("d")
    assert passed == ["a", "c"]


def test_the_caller_may_set_deadlines_meanwhile(deadlines: Deadlines[str, Kind]) -> None:
    deadlines.set("a", Kind.SHORT, 0.0)
    deadlines.set("b", Kind.LONG, 0.0)
    passed = []
    for owner, kind in deadlines.expired(10.0):
        passed.append((owner, kind))
        deadlines.set(owner, Kind.SHORT, 10.0)
        deadlines.set("new", Kind.LONG, 10.0)
    assert passed == [("a", Kind.SHORT), ("b", Kind.LONG)]
    assert len(deadlines) == 3
    assert deadlines.next_s() == 11.0


def test_the_bound_to_sleep_by_is_never_too_late(deadlines: Deadlines[str, Kind]) -> None:
    assert deadlines.soonest_s == math.inf
    deadlines.set("long", Kind.LONG, 0.0)
    assert deadlines.soonest_s == 10.0
    deadlines.set("short", Kind.SHORT, 5.0)
    deadlines.set("later", Kind.LONG, 6.0)
    assert deadlines.soonest_s == 6.0
    # It may be too early, where a deadline was moved or taken away; a look makes it exact.
    deadlines.set("short", Kind.SHORT, 5.5)
    assert deadlines.soonest_s == 6.0
    assert taken(deadlines, 6.0) == []
    assert deadlines.soonest_s == 6.5
    deadlines.clear("short")
    assert taken(deadlines, 6.5) == []
    assert deadlines.soonest_s == 10.0
    assert [owner for owner, _ in taken(deadlines, 16.0)] == ["long", "later"]
    assert deadlines.soonest_s == math.inf


def test_what_is_set_while_others_pass_is_in_the_bound(deadlines: Deadlines[str, Kind]) -> None:
    deadlines.set("a", Kind.SHORT, 0.0)
    for owner, _ in deadlines.expired(1.0):
        deadlines.set(owner, Kind.SHORT, 1.0)
    assert deadlines.soonest_s == 2.0
