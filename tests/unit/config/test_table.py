from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ktlsserve.config.checks import ListOf, Problem, WholeNumber
from ktlsserve.config.table import Table, is_required, reason_of, setting, settings
from ktlsserve.errors import ConfigError


@dataclass(frozen=True)
class Span:
    first: int = field(metadata=setting(WholeNumber(0, 99), "Where it begins."))
    last: int = field(default=50, metadata=setting(WholeNumber(0, 99), "Where it ends."))
    noted: str = "not a setting"

    def problems(self) -> list[Problem]:
        return [] if self.first <= self.last else [("last", "must not be below first")]


@dataclass(frozen=True)
class Page:
    width: int = field(default=80, metadata=setting(WholeNumber(1, 200), "Characters of a line."))
    span: Span = field(default=Span(0), metadata=setting(Table(Span), "Lines."))
    more: tuple[Span, ...] = field(default=(), metadata=setting(ListOf(Table(Span), least=0), "More lines."))


def problems_of(value: object) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        Table(Page).accept(value, Path())
    return dict(raised.value.problems)


def test_keys_left_out_have_their_defaults() -> None:
    assert Table(Page).accept({}, Path()) == Page()
    assert Table(Page).accept({"span": {"first": 3}}, Path()) == Page(span=Span(3))
    assert Table(Page).accept({"more": [{"first": 3}, {"first": 4}]}, Path()).more == (Span(3), Span(4))


def test_a_field_without_a_default_is_required() -> None:
    assert {name: is_required(each) for name, each in settings(Span).items()} == {"first": True, "last": False}
    assert problems_of({"span": {}}) == {".span.first": "is missing: Where it begins."}
    assert reason_of(settings(Span)["last"]) == "Where it ends."


def test_only_settings_are_keys() -> None:
    assert problems_of({"span": {"first": 1, "noted": "x"}}) == {".span.noted": "unknown key; known are first, last"}


def test_an_unknown_key_gets_the_nearest_known_one() -> None:
    assert problems_of({"widht": 1, "lats": 2, "zzz": 3}) == {
        ".widht": "unknown key; did you mean width?",
        ".lats": "unknown key; did you mean span.last?",
        ".zzz": "unknown key; known are width, span, more",
    }


def test_all_problems_of_all_levels_come_at_once() -> None:
    assert problems_of({"width": 0, "span": {"first": -1, "x.y": 1}, "more": [3, {}]}) == {
        ".width": "must be a whole number from 1 to 200, not 0",
        '.span."x.y"': "unknown key; known are first, last",
        ".span.first": "must be a whole number from 0 to 99, not -1",
        ".more[0]": "must be a table with the keys first, last, not 3",
        ".more[1].first": "is missing: Where it begins.",
    }


def test_values_that_do_not_fit_each_other_are_a_problem_of_the_key_to_change() -> None:
    assert problems_of({"more": [{"first": 2, "last": 1}]}) == {".more[0].last": "must not be below first"}


def test_values_are_only_compared_when_each_is_right() -> None:
    assert list(problems_of({"span": {"first": 60, "last": "x"}})) == [".span.last"]


def test_a_table_must_be_one() -> None:
    assert problems_of([]) == {"": "must be a table with the keys width, span, more, not an empty list"}
