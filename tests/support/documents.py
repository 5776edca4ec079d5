"""Reads what is written in Markdown: sections, code blocks, commands, and what is shown as their answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.support.server import CHECKOUT

PAGES = tuple(
    path.relative_to(CHECKOUT).as_posix()
    for pattern in ("*.md", "docs/*.md", "config/*.md", "loadtests/*.md")
    for path in sorted(CHECKOUT.glob(pattern))
)
"""All that is written in Markdown, as paths in the checkout."""

MADE = ("docs/cli.md", "docs/configuration.md")
"""Those that ``python -m manual`` makes."""

ELLIPSIS = "..."
"""A line that stands for any number of lines of an answer."""

# What follows from when it was asked for, and when the file was made.
_TIMES = re.compile(r'^(Date|ETag|Last-Modified): .*|("mtime"):"[^"]*"')


@dataclass(frozen=True, slots=True)
class Shown:
    """A command behind a prompt, and the lines that it prints."""

    command: str
    lines: tuple[str, ...]


def page(name: str) -> str:
    """Return the text of a page."""
    return (CHECKOUT / name).read_text(encoding="utf-8")


def section(heading: str, text: str) -> str:
    """Return the section with ``heading``, of whatever level, to the next one of its level or a higher one."""
    found = re.search(rf"^(##+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found is not None, heading
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", _without_blocks(rest), re.MULTILINE)
    return rest[: end.start()] if end else rest


def headings(text: str) -> list[str]:
    """Return the headings of ``text``, of all levels."""
    return re.findall(r"^#+ (.+)$", _without_blocks(text), re.MULTILINE)


def _without_blocks(text: str) -> str:
    """Return ``text`` with blanks in the place of code blocks, where a ``#`` begins a comment."""
    return re.sub(r"^```.*?^```$", lambda block: re.sub(r"[^\n]", " ", block[0]), text, flags=re.MULTILINE | re.DOTALL)


def blocks(language: str, text: str) -> list[str]:
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
    """Return the shell commands of ``text``, each once: lines of ``sh`` blocks, and those behind a prompt.

    Comments behind a command are left out.
    """
    joined = [re.sub(r"\s*\\\n\s*", " ", block) for block in blocks("sh", text)]
    plain = [re.sub(r"\s+#.*", "", line) for block in joined for line in block.splitlines()]
    found = dict.fromkeys([*plain, *(shown.command for shown in transcript(text))])
    return [command for command in found if command and not command.startswith("#")]


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of ``text``: rows of cells, without their headings."""
    found = re.findall(r"^\|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[_cells(line) for line in body.splitlines()] for body in found]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def is_as_shown(printed: str, lines: tuple[str, ...]) -> bool:
    """Tell whether what was printed is what stands there, but for the times of the moment."""
    pattern = "".join(r"(?:.*\n)*" if line == ELLIPSIS else re.escape(_without_times(line)) + r"\n" for line in lines)
    return re.fullmatch(pattern, "".join(f"{_without_times(line)}\n" for line in printed.splitlines())) is not None


def _without_times(line: str) -> str:
    return _TIMES.sub(r"\1\2", line.rstrip())
