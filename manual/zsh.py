"""Completion for zsh, by its own ``_arguments``."""

from __future__ import annotations

import argparse
import re

from manual.commands import Command, told_default
from manual.values import Value, is_repeatable, takes_value, value_of

_HEAD = """\
#compdef ktlsserve
# Completes the command line of ktlsserve in zsh. Written by `python -m manual`; changes made here are lost.

_ktlsserve() {
    local command=serve
    local -a commands
    commands=(
"""


def zsh_completion(commands: list[Command]) -> str:
    """Return the script for ``share/zsh/site-functions``."""
    lines = [f"        {_quoted(f'{command.name}:{command.summary}')}" for command in commands]
    lines += ["    )", "    if (( CURRENT == 2 )); then", "        _describe -t commands command commands", "    else"]
    lines += ["        case $words[2] in", f"            ({'|'.join(command.name for command in commands)})"]
    lines += ["                command=$words[2]", "                shift words", "                (( CURRENT-- ))"]
    lines += ["                ;;", "        esac", "    fi", "    case $command in"]
    for command in commands:
        specifications = [spec for action in command.options for spec in _option(action)]
        specifications += [_operand(number, action) for number, action in enumerate(command.operands, 1)]
        lines += [f"        ({command.name})", "            _arguments -S \\"]
        lines += [f"                {_quoted(spec)} \\" for spec in specifications[:-1]]
        lines += [f"                {_quoted(specifications[-1])}", "            ;;"]
    return _HEAD + "\n".join([*lines, "    esac", "}", "", '_ktlsserve "$@"', ""])


def _option(action: argparse.Action) -> list[str]:
    meaning, _ = told_default(action.help or "")
    repeated = "*" if is_repeatable(action) else ""
    # Of options with several names, one excludes the others.
    others = f"({' '.join(action.option_strings)})" if len(action.option_strings) > 1 else ""
    value = f":{_escaped(str(action.metavar))}:{_offer(value_of(action))}" if takes_value(action) else ""
    attached = "=" if takes_value(action) else ""
    return [f"{others}{repeated}{name}{attached}[{_escaped(meaning)}]{value}" for name in action.option_strings]


def _operand(number: int, action: argparse.Action) -> str:
    return f"{number}:{_escaped(str(action.metavar))}:{_offer(value_of(action))}"


def _offer(value: Value) -> str:
    names = "_files" if value.files else "_files -/" if value.folders else "_users" if value.users else ""
    if not value.words:
        return names
    words = f"({' '.join(value.words)})"
    return words if not names else f"_alternative 'words:word:{words}' 'files:file:{names}'"


def _escaped(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
