"""Completion for fish."""

from __future__ import annotations

import argparse

from manual.commands import Command, told_default
from manual.values import Value, takes_value, value_of

_HEAD = """\
# Completes the command line of ktlsserve in fish. Written by `python -m manual`; changes made here are lost.

# The command that the line is of: the first word's, or serve, whose name may be left out.
function __ktlsserve_is
    set -l words (commandline -opc)
    set -l command serve
    if set -q words[2]; and contains -- $words[2] COMMANDS
        set command $words[2]
    end
    test $command = $argv[1]
end

function __ktlsserve_begins
    test (count (commandline -opc)) -eq 1
end

complete -c ktlsserve -f
"""


def fish_completion(commands: list[Command]) -> str:
    """Return the script for ``share/fish/vendor_completions.d``."""
    lines = [
        f"complete -c ktlsserve -n __ktlsserve_begins -a {command.name} -d {_quoted(command.summary)}"
        for command in commands
    ]
    for command in commands:
        condition = f"complete -c ktlsserve -n '__ktlsserve_is {command.name}'"
        lines.append("")
        lines += [f"{condition} {_option(action)}" for action in command.options]
        lines += [f"{condition}{_offer(value_of(action), alone=False)}" for action in command.operands]
    return _HEAD.replace("COMMANDS", " ".join(command.name for command in commands)) + "\n".join(lines) + "\n"


def _option(action: argparse.Action) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in action.option_strings]
    meaning, _ = told_default(action.help or "")
    value = _offer(value_of(action), alone=True) if takes_value(action) else ""
    return f"{' '.join(names)}{value} -d {_quoted(meaning)}"


def _offer(value: Value, *, alone: bool) -> str:
    """Say what is offered; ``alone``: it is an option's value, which must be there."""
    words = list(value.words)
    if value.folders:
        words.append("(__fish_complete_directories)")
    if value.users:
        words.append("(__fish_complete_users)")
    needed = " -r -F" if alone and value.files else " -x" if alone else " -F" if value.files else ""
    return needed + (f" -a {_quoted(' '.join(words))}" if words else "")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
