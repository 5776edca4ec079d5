from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from ktlsserve.worker.stages import IDLE_GRACE_S, TRANSITIONS, Departure, Stage

DRAIN_S, PAUSE_S, NOW_S = 30.0, 2.0, 100.0


@pytest.fixture
def departure() -> Departure:
    return Departure(DRAIN_S, PAUSE_S)


def test_nothing_is_due_while_it_serves(departure: Departure) -> None:
    assert (departure.stage, departure.due_s, departure.abort_s) == (Stage.SERVING, math.inf, math.inf)
    assert departure.accepting
    assert departure.ready
    assert departure.keeps_idle
    departure.advance(1e9)
    assert departure.stage is Stage.SERVING


def test_who_retires_keeps_what_is_idle_for_a_moment_and_has_no_limit(departure: Departure) -> None:
    departure.retire(NOW_S)
    assert (departure.stage, departure.accepting, departure.ready, departure.keeps_idle) == (
        Stage.RETIRING, False, True, True,
    )  # fmt: skip
    assert departure.due_s == NOW_S + IDLE_GRACE_S
    departure.advance(NOW_S + IDLE_GRACE_S / 2)
    assert departure.stage is Stage.RETIRING
    departure.advance(NOW_S + IDLE_GRACE_S)
    assert (departure.stage, departure.keeps_idle, departure.ready) == (Stage.RETIRED, False, True)
    assert (departure.due_s, departure.abort_s) == (math.inf, math.inf)


def test_who_stops_accepts_to_the_end(departure: Departure) -> None:
    departure.stop(NOW_S)
    assert (departure.stage, departure.accepting, departure.ready, departure.keeps_idle) == (
        Stage.STOPPING, True, False, True,
    )  # fmt: skip
    assert departure.due_s == NOW_S + PAUSE_S
    departure.advance(departure.due_s)
    assert (departure.stage, departure.accepting, departure.ready, departure.keeps_idle) == (
        Stage.CLOSING, True, False, False,
    )  # fmt: skip
    assert departure.due_s == departure.abort_s == NOW_S + DRAIN_S
    departure.advance(departure.due_s)
    assert (departure.stage, departure.accepting, departure.due_s) == (Stage.ENDING, False, math.inf)


def test_who_ends_does_so_at_once_and_has_a_limit(departure: Departure) -> None:
    departure.end(NOW_S)
    assert (departure.stage, departure.accepting, departure.ready, departure.keeps_idle) == (
        Stage.ENDING, False, False, False,
    )  # fmt: skip
    assert departure.due_s == departure.abort_s == NOW_S + DRAIN_S


def test_the_end_never_puts_the_limit_off(departure: Departure) -> None:
    departure.stop(NOW_S)
    departure.end(NOW_S + 20)
    assert departure.due_s == departure.abort_s == NOW_S + DRAIN_S


@pytest.mark.parametrize("first", [Departure.retire, Departure.stop, Departure.end])
@pytest.mark.parametrize("later", [Departure.retire, Departure.stop])
def test_a_later_word_takes_no_step_back(
    departure: Departure, first: Callable[[Departure, float], None], later: Callable[[Departure, float], None]
) -> None:
    first(departure, NOW_S)
    before = (departure.stage, departure.due_s, departure.abort_s)
    later(departure, NOW_S + 1)
    assert (departure.stage, departure.due_s, departure.abort_s) == before


def test_every_stage_leads_to_the_end() -> None:
    assert TRANSITIONS.keys() == set(Stage)
    for stage in Stage:
        assert stage is Stage.ENDING or Stage.ENDING in TRANSITIONS[stage]
