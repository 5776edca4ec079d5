from __future__ import annotations

import argparse

import pytest

from manual.values import Value, is_repeatable, takes_value, value_of


def action(**options: object) -> argparse.Action:
    return argparse.ArgumentParser().add_argument("--option", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("metavar", "value"),
    [
        ("FILE", Value(files=True)),
        ("FILE|-|off", Value(words=("-", "off"), files=True)),
        ("ROOT", Value(folders=True)),
        ("N|auto", Value(words=("auto",))),
        ("USER", Value(users=True)),
        ("HOST:PORT", Value()),
    ],
)
def test_a_placeholder_says_what_may_stand_there(metavar: str, value: Value) -> None:
    assert value_of(action(metavar=metavar)) == value


def test_choices_go_before_the_placeholder() -> None:
    assert value_of(action(metavar="FILE", choices=("a", "b"))) == Value(words=("a", "b"))


def test_kinds_of_options() -> None:
    assert takes_value(action())
    assert not takes_value(action(action="store_true"))
    assert is_repeatable(action(action="append"))
    assert not is_repeatable(action())
