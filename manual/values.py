"""What may stand for a value on the command line, so far as a shell can offer it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Value:
    """Words to offer, and whether names of files, of folders or of users are."""

    words: tuple[str, ...] = ()
    files: bool = False
    folders: bool = False
    users: bool = False


def takes_value(action: argparse.Action) -> bool:
    """Tell whether an option is followed by a value."""
    return action.nargs != 0


def is_repeatable(action: argparse.Action) -> bool:
    """Tell whether an option may be given several times."""
    return isinstance(action, argparse._AppendAction)  # noqa: SLF001 - argparse tells by nothing else


def value_of(action: argparse.Action) -> Value:
    """Return what may stand for the value: by its choices, else by what its placeholder says of it.

    ``FILE|-|off`` is a file or one of two words. What only its user knows (``HOST:PORT``, ``N``) is nothing to offer.
    """
    if action.choices:
        return Value(words=tuple(action.choices))
    parts = str(action.metavar or "").split("|")
    return Value(
        words=tuple(part for part in parts if part == "-" or part.islower()),
        files="FILE" in parts,
        folders="ROOT" in parts or "DIR" in parts,
        users="USER" in parts,
    )
