"""What one file needs, and what came of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from io import BufferedReader
from pathlib import Path
from typing import Protocol

from ktlsserve.errors import KtlsServeError

_CHUNK_BYTES = 64 << 10


class Outcome(Enum):
    """What came of a task."""

    MADE = "made"
    FRESH = "up to date"
    REMOVED = "removed"
    NOT_SMALLER = "not smaller"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a task for ``path``; the sizes are those of the original and of what was made of it."""

    outcome: Outcome
    path: Path
    original_bytes: int = 0
    made_bytes: int = 0
    message: str = ""


class Stopped(KtlsServeError):
    """The command was told to stop; nothing is left half done."""


class FileChanged(KtlsServeError):
    """A file isn't any more what it was when the work on it began."""


class Task(Protocol):
    """One file to be made or removed."""

    @property
    def path(self) -> Path:
        """The file in question."""

    @property
    def cost(self) -> int:
        """How much work it is, compared with other tasks."""

    def run(self, stopping: Callable[[], bool], *, dry: bool) -> Result:
        """Do it, or where ``dry`` only tell what would be done.

        Raises Stopped soon after ``stopping()`` is true, FileChanged, and OSError.
        """


def open_regular(path: Path) -> tuple[BufferedReader, os.stat_result]:
    """Open a regular file, following no link at its end; raise FileChanged if it is something else."""
    # O_NONBLOCK: what has become a FIFO mustn't hold this up.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise FileChanged("not a regular file")
    return open(fd, "rb"), status  # noqa: PTH123  (it is open already)


def read_unchanged(
    file: BufferedReader, status: os.stat_result, stopping: Callable[[], bool] = lambda: False
) -> Iterator[bytes]:
    """Yield what is in ``file``; raise FileChanged at the end if it isn't the one that had ``status`` at the beginning.

    Raises Stopped before a piece once ``stopping()`` is true.
    """
    while chunk := file.read(_CHUNK_BYTES):
        if stopping():
            raise Stopped
        yield chunk
    now = os.fstat(file.fileno())
    if (now.st_mtime_ns, now.st_ctime_ns, now.st_size) != (status.st_mtime_ns, status.st_ctime_ns, status.st_size):
        raise FileChanged("it changed while it was read")
