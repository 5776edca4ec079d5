"""A line that tells how far the work has come."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TextIO

_REDRAW_S = 0.1
_CLEAR_LINE = "\r\x1b[K"


class Progress:
    """The progress of ``total`` pieces of work, drawn where somebody is looking: if ``stream`` is a terminal."""

    def __init__(self, stream: TextIO, total: int) -> None:
        self._stream = stream if stream.isatty() else None
        self._total = total
        self._done = 0
        self._drawn_s = float("-inf")
        self._is_drawn = False

    def step(self, path: Path) -> None:
        """Count one more, and say so unless the line is too new to have been read."""
        self._done += 1
        now_s = time.monotonic()
        if self._stream is None or now_s - self._drawn_s < _REDRAW_S:
            return
        text = f"{self._done:,} of {self._total:,}  {printable(path)}"
        columns = shutil.get_terminal_size().columns
        print(f"{_CLEAR_LINE}{text[: columns - 1]}", end="", file=self._stream, flush=True)
        self._drawn_s = now_s
        self._is_drawn = True

    def clear(self) -> None:
        """Take the line away, for what is to be said otherwise."""
        if self._stream is not None and self._is_drawn:
            print(_CLEAR_LINE, end="", file=self._stream, flush=True)
            self._is_drawn = False


def printable(path: Path) -> str:
    """Return a path as text for a terminal: what would steer it, or isn't text, is a question mark."""
    text = os.fsencode(path).decode("utf-8", "replace")
    return "".join(character if character.isprintable() else "?" for character in text)
