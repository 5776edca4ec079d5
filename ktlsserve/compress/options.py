"""What the commands that work on a folder's files have in common on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from ktlsserve.compress.progress import printable
from ktlsserve.config.checks import WholeNumber
from ktlsserve.errors import ConfigError, UsageError

_MOST_JOBS = 1024


def add_work_options(group: argparse._ArgumentGroup, *, done: str) -> None:
    """Add ``--prune``, ``--check`` and ``--jobs``; ``done`` says what is done to files."""
    group.add_argument("--prune", action="store_true", help="also remove what was made of files that have gone")
    group.add_argument("--check", action="store_true", help="change nothing; list what would be made or removed")
    group.add_argument(
        "--jobs",
        metavar="N",
        type=number(1, _MOST_JOBS),
        help=f"files {done} at the same time (default: one per usable CPU)",
    )


def require_folder(root: Path) -> None:
    """Raise UsageError unless ``root`` is a folder."""
    if not root.is_dir():
        raise UsageError(f"{'not a folder' if root.exists() else 'no such folder'}: {printable(root)}")


def number(least: int, most: int) -> Callable[[str], int]:
    """Return what parses a whole number from ``least`` to ``most``, and raises ArgumentTypeError for others."""
    check = WholeNumber(least, most)

    def parse(text: str) -> int:
        try:
            return check.accept(int(text) if text.isdecimal() else text, Path())
        except ConfigError as error:
            raise argparse.ArgumentTypeError(error.problems[0][1]) from None

    return parse


def folder(text: str) -> Path:
    """Refuse the empty path that an unset variable of the shell becomes: it would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return Path(text)
