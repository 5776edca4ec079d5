"""Completion for bash. It needs nothing of the package bash-completion, so that it can also be sourced by hand."""

from __future__ import annotations

import argparse

from manual.commands import Command
from manual.values import Value, takes_value, value_of

_HEAD = """\
# Completes the command line of ktlsserve in bash. Written by `python -m manual`; changes made here are lost.

_ktlsserve() {
    local command=serve current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    # bash breaks words at "=": --tls=kernel arrives as three.
    if [[ $current == "=" ]]; then
        current=
    elif [[ $previous == "=" && $COMP_CWORD -gt 1 ]]; then
        previous=${COMP_WORDS[COMP_CWORD-2]}
    fi
    if [[ $COMP_CWORD -gt 1 ]]; then
        case ${COMP_WORDS[1]} in
"""

_TAIL = """\
    esac
}

_ktlsserve_words() {
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$2" -- "$1")
}

_ktlsserve_names() {
    compopt -o filenames 2>/dev/null
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -A "$2" -- "$1")
}

complete -F _ktlsserve ktlsserve
"""


def bash_completion(commands: list[Command]) -> str:
    """Return the script for ``share/bash-completion/completions``."""
    names = [command.name for command in commands]
    lines = [f"            {'|'.join(names)}) command=${{COMP_WORDS[1]}} ;;", "        esac", "    fi"]
    lines.append('    case "$command $previous" in')
    for command in commands:
        lines += [line for action in command.options if takes_value(action) for line in _value(command, action)]
    lines += ["    esac", '    case "$command $current" in']
    for command in commands:
        options = " ".join(name for action in command.options for name in action.option_strings)
        lines.append(f'        "{command.name} -"*) _ktlsserve_words "$current" "{options}" ;;')
    for command in commands:
        offered = [call for action in command.operands for call in _calls(value_of(action))]
        if offered:
            lines.append(f'        "{command.name} "*) {"; ".join(offered)} ;;')
    lines += ["    esac", '    case "$COMP_CWORD $current" in', '        "1 -"*) ;;']
    lines.append(f'        "1 "*) _ktlsserve_words "$current" "{" ".join(names)}" ;;')
    return _HEAD + "\n".join(lines) + "\n" + _TAIL


def _value(command: Command, action: argparse.Action) -> list[str]:
    """Offer what may be the value of an option, and nothing else."""
    patterns = "|".join(f'"{command.name} {name}"' for name in action.option_strings)
    return [f"        {patterns}) {'; '.join([*_calls(value_of(action)), 'return'])} ;;"]


def _calls(value: Value) -> list[str]:
    calls = [f'_ktlsserve_words "$current" "{" ".join(value.words)}"'] if value.words else []
    kinds = {"file": value.files, "directory": value.folders, "user": value.users}
    return calls + [f'_ktlsserve_names "$current" {kind}' for kind, offered in kinds.items() if offered]
