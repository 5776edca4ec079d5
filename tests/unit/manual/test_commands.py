from __future__ import annotations

from collections.abc import Sequence

import pytest

from ktlsserve import cli
from ktlsserve.arguments import COMMANDS, Parser, add_information
from manual import commands as module
from manual.commands import commands, epilog_blocks, invocation, parser_of, told_default

KNOWN = commands()


def test_every_command_is_there_with_a_parser_of_its_own() -> None:
    assert [command.name for command in KNOWN] == list(COMMANDS)
    assert len({command.parser.description for command in KNOWN}) == len(COMMANDS)


def test_a_new_command_is_found_without_being_named_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(arguments: Sequence[str]) -> int:
        parser = Parser(prog="ktlsserve ask", description="Ask something. And more of it.")
        add_information(parser)
        parser.parse(arguments)
        raise AssertionError("it was run")

    monkeypatch.setattr(module, "COMMANDS", ("ask",))
    monkeypatch.setitem(cli.RUN, "ask", run)
    (command,) = commands()
    assert (command.parser.prog, command.summary) == ("ktlsserve ask", "Ask something")
    assert [invocation(action) for action in command.options] == ["-h, --help", "--version"]
    assert command.operands == []


def test_a_command_that_does_not_parse_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.RUN, "ask", lambda _: 0)
    with pytest.raises(AssertionError, match="ask"):
        parser_of("ask")


@pytest.mark.parametrize("command", KNOWN, ids=lambda command: command.name)
def test_help_fits_a_terminal_and_has_examples(command: module.Command) -> None:
    text = command.parser.format_help()
    # Of 80 columns, with the one in which some terminals wrap left free.
    assert max(map(len, text.splitlines())) <= 79
    assert "\nexamples:\n  ktlsserve " in text
    assert "xit status" in text
    # argparse's own groups: what stands in none of ours.
    titled = [group for group in command.parser._action_groups if group._group_actions]
    assert "options" not in {group.title for group in titled} or command.name in {"compress", "etags"}
    assert titled[-1].title == "information"


@pytest.mark.parametrize("command", KNOWN, ids=lambda command: command.name)
def test_the_help_of_the_program_leads_to_each_command(command: module.Command) -> None:
    text = KNOWN[0].parser.format_help()
    assert f"ktlsserve {command.name} " in text or f"ktlsserve [{command.name}] " in text
    assert command is KNOWN[0] or f"\n  {command.name} " in text


@pytest.mark.parametrize("command", KNOWN, ids=lambda command: command.name)
def test_examples_are_understood(command: module.Command) -> None:
    blocks = [block for block in epilog_blocks(command.parser) if block.startswith("examples:")]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()[1:]
    assert lines
    for line in lines:
        words = line.partition("|")[0].partition("&&")[0].split()
        assert words[0] == "ktlsserve"
        command.parser.parse(words[2:] if words[1] == command.name else words[1:])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("where to listen (default: 127.0.0.1:8443)", ("where to listen", "127.0.0.1:8443")),
        ("its key (default for both: one of our own)", ("its key", "one of our own")),
        ("debug, info (default), warning", ("debug, info, warning", "info")),
        ("auto (default): the kernel (if it can)", ("auto: the kernel (if it can)", "auto")),
        ("for people (default) or others", ("for people or others", "for people")),
        ("show this and exit", ("show this and exit", "")),
    ],
)
def test_defaults_are_told_apart(text: str, parts: tuple[str, str]) -> None:
    assert told_default(text) == parts
