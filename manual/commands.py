"""The commands of the program with their parsers, in the order in which the program names them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn
from unittest import mock

from ktlsserve.arguments import COMMANDS, Parser
from ktlsserve.cli import RUN


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its name, and the parser of what stands behind it."""

    name: str
    parser: Parser

    @property
    def summary(self) -> str:
        """What it does, in one sentence without a full stop: how its description begins."""
        described = " ".join((self.parser.description or "").split())
        return described.partition(". ")[0].rstrip(".")

    @property
    def options(self) -> list[argparse.Action]:
        """What begins with a dash."""
        return [action for action in self.parser._actions if action.option_strings]  # noqa: SLF001 - no other way

    @property
    def operands(self) -> list[argparse.Action]:
        """What doesn't."""
        return [action for action in self.parser._actions if not action.option_strings]  # noqa: SLF001 - no other way


class _CaughtError(Exception):
    def __init__(self, parser: Parser) -> None:
        self.parser = parser


def commands() -> list[Command]:
    """Return all commands."""
    return [Command(name, parser_of(name)) for name in COMMANDS]


def parser_of(name: str) -> Parser:
    """Return the parser of a command: the one to which it gives its arguments.

    Commands import what they need when they run, so that there is no list of their parsers. Here each is run up to the
    point where it would parse its arguments: a new command is described without being named anywhere else.
    """

    def catch(parser: Parser, arguments: Sequence[str]) -> NoReturn:
        del arguments
        raise _CaughtError(parser)

    try:
        with mock.patch.object(Parser, "parse", catch):
            RUN[name]([])
    except _CaughtError as caught:
        return caught.parser
    raise AssertionError(f"the command {name} doesn't parse its arguments")


def told_default(help_text: str) -> tuple[str, str]:
    """Split the help of an option into what it means and its default, empty where none is told."""
    at_end = re.fullmatch(r"(.*) \(default(?: for both)?: (.*)\)", help_text)
    if at_end:
        return at_end[1], at_end[2]
    among_others = re.search(r"(?:^|[,;:] )([^,;:]+?) \(default\)", help_text)
    if among_others:
        return help_text.replace(" (default)", ""), among_others[1]
    return help_text, ""


def invocation(action: argparse.Action) -> str:
    """Return an option with its other names and its value: ``-h, --help`` or ``--cert FILE``."""
    value = "" if action.nargs == 0 else f" {action.metavar}"
    return ", ".join(f"{name}{value}" for name in action.option_strings)


def epilog_blocks(parser: Parser) -> list[str]:
    """Return the paragraphs behind the options, but for the list of the other commands, which are described anyway."""
    blocks = (parser.epilog or "").split("\n\n")
    return [block for block in blocks if block and not block.startswith("other commands:")]
