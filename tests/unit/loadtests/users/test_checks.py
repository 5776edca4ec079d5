from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.errors import ConfigError
from loadtests.users.checks import Number, Span, WholeSpan


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_numbers_within_bounds(value: float) -> None:
    assert Number(0, 1).accept(value, Path()) == value


@pytest.mark.parametrize("value", [-0.1, 1.1, True, "1", float("nan"), float("inf"), None])
def test_no_other_numbers(value: object) -> None:
    with pytest.raises(ConfigError, match="must be a number from 0 to 1"):
        Number(0, 1).accept(value, Path())


def test_a_span_is_one_number_or_two() -> None:
    span = Span(Number(0, 10))
    assert span.accept(3, Path()) == (3, 3)
    assert span.accept([1, 2.5], Path()) == (1, 2.5)
    assert WholeSpan(0, 10).accept(3, Path()) == (3, 3)
    assert WholeSpan(0, 10).accept([1, 2], Path()) == (1, 2)


@pytest.mark.parametrize("value", [[2, 1], [1], [1, 2, 3], [1, 11], [1, "2"], [-1, 1], True, [True, 2]])
def test_spans_that_are_none(value: object) -> None:
    for check in (Span(Number(0, 10)), WholeSpan(0, 10)):
        with pytest.raises(ConfigError, match="must be a"):
            check.accept(value, Path())


def test_lengths_are_whole() -> None:
    with pytest.raises(ConfigError, match="whole number from 0 to 10"):
        WholeSpan(0, 10).accept(1.5, Path())
