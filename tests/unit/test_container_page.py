"""What docs/container.md says, against the program."""

from __future__ import annotations

import re

from ktlsserve.options import OPTIONS
from tests.support.readme import section
from tests.support.server import CHECKOUT

PAGE = (CHECKOUT / "docs" / "container.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table in a section."""
    found = re.findall(r"^\| `(.*) \|$", section(heading, PAGE), re.MULTILINE)
    return [f"`{row}".split(" | ") for row in found]


def test_the_table_has_every_variable_of_the_program() -> None:
    told = [row[:2] for row in rows("Environment variables")]
    assert told == [[f"`{option.variable}`", f"`{option.flag}`"] for option in OPTIONS]


def test_the_table_says_which_take_several_values_and_which_words() -> None:
    for option, (_, _, taken) in zip(OPTIONS, rows("Environment variables"), strict=True):
        assert ("several" in taken or option.name == "key") == option.repeatable, option.name
        for choice in option.choices:
            assert f"`{choice}`" in taken
