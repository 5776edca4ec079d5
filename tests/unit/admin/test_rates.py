from __future__ import annotations

import pytest

from ktlsserve.admin.rates import Pace


def at(count: int) -> dict[str, dict[tuple[str, ...], int]]:
    return {"x": {("a",): count, ("b",): 1}}


def test_one_look_tells_nothing() -> None:
    pace = Pace()
    assert pace.look(at(5), 100.0) is None
    assert pace.look(at(6), 101.0) is None


def test_growth_is_per_second() -> None:
    pace = Pace()
    pace.look(at(5), 100.0)
    rates = pace.look(at(25), 102.0)
    assert rates is not None
    assert (rates.over_s, rates.of("x", ("a",)), rates.of("x", ("b",)), rates.of("x")) == (2.0, 10.0, 0.0, 10.0)


def test_what_was_not_there_began_at_nothing() -> None:
    pace = Pace()
    pace.look({}, 100.0)
    rates = pace.look(at(8), 102.0)
    assert rates is not None
    assert rates.of("x", ("a",)) == 4.0
    assert rates.of("y") == rates.of("y", ("a",)) == 0.0


def test_only_the_last_seconds_count() -> None:
    pace = Pace()
    for second in range(60):
        rates = pace.look(at(1000 * (second >= 30)), float(second))
        assert len(pace._looks) <= 8
    assert rates is not None
    assert rates.of("x") == 0.0
    assert 4.0 <= rates.over_s <= 6.5


def test_many_who_ask_do_not_shorten_the_time() -> None:
    pace = Pace()
    for tick in range(400):
        rates = pace.look(at(tick), tick / 100)
    assert rates is not None
    assert rates.over_s == pytest.approx(3.99)
    assert rates.of("x") == pytest.approx(100)
    assert len(pace._looks) <= 11


def test_after_a_long_silence_the_rate_is_that_of_the_silence() -> None:
    pace = Pace()
    pace.look(at(0), 0.0)
    rates = pace.look(at(500), 500.0)
    assert rates is not None
    assert rates.of("x") == 1.0
