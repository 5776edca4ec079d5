"""Reads the README: its sections, code blocks, commands, and what it shows as their answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.server import CHECKOUT

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")

ELLIPSIS = "..."
"""A line that stands for any number of lines of an answer."""

# What follows from when it was asked for, and when the file was made.
_TIMES = re.compile(r'^(Date|ETag|Last-Modified): .*|("mtime"):"[^"]*"')


@dataclass(frozen=True, slots=True)
class Shown:
    """A command behind a prompt, and the lines that it prints."""

    command: str
    lines: tuple[str, ...]


def section(heading: str, text: str = README) -> str:
    """Return the section with ``heading``, to the next one of its level."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found is not None, heading
    return found[1]


def blocks(language: str, text: str = README) -> list[str]:
    """Return the code blocks in ``language``."""
    return [
        body for tag, body in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL) if tag == language
    ]


def transcript(text: str) -> list[Shown]:
    """Return the commands behind prompts in ``console`` blocks."""
    found = []
    for block in blocks("console", text):
        before, *parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
        assert before == "", block
        for part in parts:
            command, *lines = part.splitlines()
            found.append(Shown(command, tuple(lines)))
    return found


def commands(text: str) -> list[str]:
    """Return the shell commands of ``text``: lines of ``sh`` blocks, and those behind a prompt."""
    plain = [line for block in blocks("sh", text) for line in block.splitlines()]
    return list(dict.fromkeys([*plain, *(shown.command for shown in transcript(text))]))


def is_as_shown(printed: str, lines: tuple[str, ...]) -> bool:
    """Tell whether what was printed is what stands there, but for the times of the moment."""
    pattern = "".join(r"(?:.*\n)*" if line == ELLIPSIS else re.escape(_without_times(line)) + r"\n" for line in lines)
    return re.fullmatch(pattern, "".join(f"{_without_times(line)}\n" for line in printed.splitlines())) is not None


def _without_times(line: str) -> str:
    return _TIMES.sub(r"\1\2", line.rstrip())
