from __future__ import annotations

import pytest

from ktlsserve.arguments import serve_parser
from ktlsserve.config import Config
from manual.cli_page import cli_page
from manual.commands import commands
from tests.support.documents import section, tables

PAGE = cli_page(commands())


def options_of(name: str) -> list[list[str]]:
    """Return the rows of a command's table of options."""
    found = tables(section(f"ktlsserve {name}", PAGE))
    return next(table for table in found if table[-1][0] == "`--version`")


ROWS = {row[0]: row[1:] for row in options_of("serve")}


def test_every_command_has_its_section_and_all_its_options() -> None:
    for command in commands():
        rows = options_of(command.name)
        told = {name.strip("`").split(",")[0].split()[0] for name, *_ in rows}
        assert told == {action.option_strings[0] for action in command.options}


def test_the_defaults_are_those_of_the_configuration() -> None:
    config = Config()
    expected = {
        "`--listen HOST:PORT`": ", ".join(map(str, config.server.listen)),
        "`--tls MODE`": config.tls.mode,
        "`--access-log FILE|-|off`": config.log.access_log,
        "`--log-level LEVEL`": config.log.level,
    }
    assert {name: ROWS[name][0] for name in expected} == expected
    assert ROWS["`--workers N|auto`"][0].split(",")[0] == config.server.workers


@pytest.mark.parametrize("action", [action for action in serve_parser()._actions if action.choices])
def test_every_choice_is_named(action: object) -> None:
    choices = getattr(action, "choices", ())
    row = next(f"{cell} {' '.join(texts)}" for cell, texts in ROWS.items() if action.option_strings[0] in cell)  # type: ignore[attr-defined]
    for choice in choices:
        assert choice in row


def test_the_list_of_other_commands_is_left_to_the_table() -> None:
    assert "ther commands" not in PAGE
    assert "Examples:\n\n```\nktlsserve ./site\n" in PAGE
