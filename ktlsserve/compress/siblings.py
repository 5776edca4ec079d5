"""One compressed sibling of one file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from ktlsserve.compress.beside import write_beside
from ktlsserve.compress.codings import Coding, holds
from ktlsserve.compress.task import Outcome, Result, open_regular, read_unchanged
from ktlsserve.errors import KtlsServeError

WORTHWHILE = 0.95
"""The share of the original's size that a sibling may have: for less gain, a client's work of decompressing it, and a
second copy in the page cache, aren't worth it."""


class _NotSmaller(KtlsServeError):
    """The compressed data is too long already."""


@dataclass(frozen=True, slots=True)
class SiblingTask:
    """A sibling that is missing, or may not be what its original is.

    ``exists`` tells that there is one, ``wanted`` that there is to be one: a file below the least size gets none, but
    an old one of other content mustn't stay.
    """

    original: Path
    coding: Coding
    size_bytes: int
    exists: bool
    wanted: bool

    @property
    def path(self) -> Path:
        """The sibling."""
        return self.original.with_name(self.original.name + self.coding.suffix)

    @property
    def cost(self) -> int:
        """The size: of the codings, the first takes longest."""
        return self.size_bytes

    def run(self, stopping: Callable[[], bool], *, dry: bool) -> Result:
        """Make the sibling, or remove it where it is out of date and none is to be made.

        Raises what ``Task.run`` says.
        """
        file, status = open_regular(self.original)
        with file:
            if self.exists and self._is_right(file, status, dry=dry):
                return Result(Outcome.FRESH, self.path)
            if not self.wanted:
                return self._remove(dry=dry)
            if self.exists and dry:
                # Made anew or removed: it doesn't stay.
                return Result(Outcome.MADE, self.path)
            file.seek(0)
            pieces = _compressed(file, status, self.coding, stopping)
            try:
                if dry:
                    made_bytes = sum(map(len, pieces))
                else:
                    write_beside(self.path, status, pieces)
                    made_bytes = self.path.stat().st_size
            except _NotSmaller:
                return self._remove(dry=dry) if self.exists else Result(Outcome.NOT_SMALLER, self.path)
        return Result(Outcome.MADE, self.path, status.st_size, made_bytes)

    def _is_right(self, file: BufferedReader, original: os.stat_result, *, dry: bool) -> bool:
        """Tell whether the sibling that there is can stay: its time must be the original's, and so its content."""
        sibling, status = open_regular(self.path)
        with sibling:
            if status.st_mtime_ns != original.st_mtime_ns or not holds(self.coding, sibling, file):
                return False
        if not dry:
            # Its time of change is later than the original's now: next time, the times tell.
            os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return True

    def _remove(self, *, dry: bool) -> Result:
        if not dry:
            self.path.unlink()
        return Result(Outcome.REMOVED, self.path)


def _compressed(
    file: BufferedReader, status: os.stat_result, coding: Coding, stopping: Callable[[], bool]
) -> Iterator[bytes]:
    """Yield a file's content compressed; raise _NotSmaller as soon as it isn't small enough."""
    encoder = coding.encoder(status.st_size)
    limit_bytes = int(status.st_size * WORTHWHILE)
    made_bytes = 0
    for piece in _encoded(encoder.compress, encoder.flush, read_unchanged(file, status, stopping)):
        made_bytes += len(piece)
        if made_bytes > limit_bytes:
            raise _NotSmaller
        yield piece


def _encoded(
    compress: Callable[[bytes], bytes], flush: Callable[[], bytes], pieces: Iterable[bytes]
) -> Iterator[bytes]:
    for piece in pieces:
        yield compress(piece)
    yield flush()
