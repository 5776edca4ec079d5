"""``docs/cli.md``: the command line, from its parsers."""

from __future__ import annotations

import argparse

from manual.asking import variable_of
from manual.commands import Command, epilog_blocks, invocation, told_default
from manual.flowing import flowing

_HEAD = """\
# Command line

Written by `python -m manual` from the program's parsers; a test compares the two. `ktlsserve --help`, and `--help`
behind a command, show the same on a terminal; `man ktlsserve` does where the package's `share/man` is in the manual
path. What can also be said in a file is in the [configuration reference](configuration.md).

From a checkout, `make serve` passes options on: `make serve SERVE_ARGS="--workers 4 --access-log -"`. After
`make serve`, the program is `.venv/bin/ktlsserve`.
"""


def cli_page(commands: list[Command]) -> str:
    """Return the page."""
    parts = [_HEAD, _contents(commands), *[_section(command) for command in commands]]
    return "\n".join(parts)


def _contents(commands: list[Command]) -> str:
    rows = [
        f"| [`ktlsserve {command.name}`](#ktlsserve-{command.name}) | {_cell(command.summary)} |\n"
        for command in commands
    ]
    return f"| Command | What it does |\n|---|---|\n{''.join(rows)}"


def _section(command: Command) -> str:
    usage = command.parser.format_usage().removeprefix("usage: ")
    usage = "\n".join(line.removeprefix("       ") for line in usage.strip().splitlines())
    parts = [f"## ktlsserve {command.name}\n", f"{flowing(command.parser.description or '')}\n", _block(usage)]
    if command.operands:
        rows = [f"| `{action.metavar}` | {_cell(action.help or '')} |\n" for action in command.operands]
        parts.append(f"| Argument | Meaning |\n|---|---|\n{''.join(rows)}")
    parts += [
        f"| Option | Default | Meaning |\n|---|---|---|\n{''.join(map(_row, command.options))}",
        *_variables(command),
    ]
    parts += [_epilog(block) for block in epilog_blocks(command.parser)]
    return "\n".join(parts)


def _row(action: argparse.Action) -> str:
    meaning, default = told_default(action.help or "")
    return f"| `{_cell(invocation(action))}` | {_cell(default)} | {_cell(meaning)} |\n"


def _variables(command: Command) -> list[str]:
    """List the variables of the environment that say the same as options, if there are any."""
    if command.name != "serve":
        return []
    rows = [
        f"| `{variable}` | `{_cell(invocation(action))}` |\n"
        for action in command.options
        if (variable := variable_of(action))
    ]
    return [f"| Variable of the environment | Says the same as |\n|---|---|\n{''.join(rows)}"] if rows else []


def _epilog(block: str) -> str:
    """Set a block of an epilog: lines below one that ends in a colon are shown as they are."""
    title, *rest = block.splitlines()
    if title.endswith(":") and rest:
        shown = _block("\n".join(line.removeprefix("  ") for line in rest))
        return f"{title[:1].upper()}{title[1:]}\n\n{shown}"
    return f"{flowing(block)}\n"


def _block(text: str) -> str:
    return f"```\n{text}\n```\n"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")
