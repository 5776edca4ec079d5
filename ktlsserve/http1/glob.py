"""Patterns for paths: ``*`` within a segment, ``**`` for any number of segments, ``?``, ``{a,b}``.

Theory of operation
-------------------
A path is a sequence of segments, each behind a slash; the last is empty where the path ends in a slash. A pattern is
one too. Braces are multiplied out first, so what is left are plain patterns, each compiled to a regular expression in
which no two quantifiers can share out the same text between them: within a segment, what stands between two asterisks
is matched at the first place where it fits and never again (an atomic group), and so is what stands between two
``**``. That is right because a wildcard behind it takes whatever is left, and it makes the time a product of the two
lengths at worst, where plain ``.*`` would backtrack without end.
"""

from __future__ import annotations

import re
from itertools import product

# A pattern that means more than this is a mistake, or better written as several rules.
_MOST_ALTERNATIVES = 64
_MOST_CHARACTERS = 1024

_BRACES = re.compile(r"\{([^{}]*)\}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_SEGMENTS = "(?:/[^/]*)*"


class Glob:
    """A compiled pattern; raises ValueError, with a reason for the operator, for a text that is none.

    Paths are those of ``Target``: decoded, starting with a slash, ending in one where the target did. Octets that are
    no UTF-8 are surrogate escapes, and each counts as a character.
    """

    __slots__ = ("_alternatives", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._alternatives = tuple(re.compile(_expression(plain), re.DOTALL) for plain in _multiplied_out(text))

    def __repr__(self) -> str:
        return f"Glob({self.text!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Glob) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def matches(self, path: str) -> bool:
        """Tell whether the pattern matches the whole of ``path``."""
        return any(alternative.fullmatch(path) is not None for alternative in self._alternatives)

    def rest(self, path: str) -> str:
        """Return what a ``**`` at the pattern's end takes of a matching path, without the slash before it."""
        for alternative in self._alternatives:
            match = alternative.fullmatch(path)
            if match is not None:
                return (match.groupdict().get("rest") or "").removeprefix("/")
        raise ValueError(f"{self.text} doesn't match {path!r}")


def has_rest(text: str) -> bool:
    """Tell whether ``Glob.rest`` has a meaning for this pattern, whichever of its alternatives matches."""
    return text.endswith("/**")


def _multiplied_out(text: str) -> list[str]:
    """Return the patterns without braces that ``text`` stands for."""
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"a pattern has at most {_MOST_CHARACTERS} characters")
    # Split by a pattern with one group: texts and what stood in braces take turns.
    pieces = _BRACES.split(text)
    if any("{" in piece or "}" in piece for piece in pieces):
        raise ValueError("braces must come in pairs and not within each other")
    choices = [piece.split(",") if position % 2 else [piece] for position, piece in enumerate(pieces)]
    count = 1
    for choice in choices:
        count *= len(choice)
    if count > _MOST_ALTERNATIVES:
        raise ValueError(f"the braces stand for {count} patterns; at most {_MOST_ALTERNATIVES} are allowed")
    return ["".join(combination) for combination in product(*choices)]


def _expression(plain: str) -> str:
    """Return the regular expression of a pattern without braces."""
    if not plain.startswith("/"):
        raise ValueError("a pattern must start with a slash")
    if _CONTROL.search(plain):
        raise ValueError("a pattern holds no control characters")
    if _ESCAPE.search(plain):
        raise ValueError("patterns match decoded paths: write the character instead of its percent-encoding")
    segments = plain[1:].split("/")
    for segment in segments:
        _check_segment(segment)
    if "" in segments[:-1]:
        raise ValueError("no path has an empty segment in the middle, so the pattern would never match")
    runs: list[list[str]] = [[]]
    for segment in segments:
        if segment == "**":
            runs.append([])
        else:
            runs[-1].append(_segment_expression(segment))
    first, *others = ["".join(run) for run in runs]
    if not others:
        return first
    *middle, last = others
    between = "".join(f"(?>(?:/[^/]*)*?{run})" for run in middle)
    return f"{first}{between}{_SEGMENTS}{last}" if last else f"{first}{between}(?P<rest>{_SEGMENTS})"


def _check_segment(segment: str) -> None:
    if segment in (".", ".."):
        raise ValueError("no path has dot segments, so the pattern would never match")
    if "**" in segment and segment != "**":
        raise ValueError("** stands for whole segments: write /**/ or a single *")


def _segment_expression(segment: str) -> str:
    """Match one segment with the slash before it, up to its end and in one way only."""
    start, *chunks = [_chunk_expression(chunk) for chunk in segment.split("*")]
    if not chunks:
        return f"(?>/{start}(?=/|\\Z))"
    *middle, end = chunks
    between = "".join(f"(?>[^/]*?{chunk})" for chunk in middle)
    return f"(?>/{start}{between}[^/]*{end}(?=/|\\Z))"


def _chunk_expression(chunk: str) -> str:
    return "".join("[^/]" if character == "?" else re.escape(character) for character in chunk)
