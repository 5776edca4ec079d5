"""A file that is open for sending, shared by the replies that send it."""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from ktlsserve.http1.dates import format_http_date

_NS_PER_S = 1_000_000_000


class FileVersion(NamedTuple):
    """What tells one content of a file from another without looking at it.

    ``ctime_ns``, the time of change, can't be set by anybody: who writes new bytes and puts the old time of
    modification back is found out by it.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileVersion:
        """Return the version of the file that has this ``fstat`` result."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class OpenFile:
    """An open regular file or folder, what its reply says about it, and a count of its users.

    Made with one reference, the maker's. Whoever keeps it longer calls ``retain``, and everybody ``release`` once:
    the last one closes the descriptor. Not thread-safe: only the thread that runs the event loop counts.

    ``size`` is in bytes, ``device`` and ``inode`` identify the file among those that exist now. The entity tag is
    strong: a change in place or a replacement changes the time of modification or the size, unless both happen
    within one tick of the file system's clock (4 ms or less) and leave the size as it was (RFC 9110 section 8.8.1).

    ``at_hand_until_s`` and the two ``windows`` belong to ``ktlsserve.worker.residency``: until when the whole of the
    file, or those parts of it, are taken to be in memory.
    """

    __slots__ = (
        "_fd",
        "_references",
        "at_hand_until_s",
        "ctime_ns",
        "device",
        "etag",
        "inode",
        "is_directory",
        "last_modified",
        "mtime_ns",
        "size",
        "windows_read",
        "windows_until_s",
    )

    def __init__(self, fd: int, status: os.stat_result) -> None:
        """Take over ``fd``, whose ``fstat`` result is ``status``."""
        self._fd = fd
        self._references = 1
        self.size: int = status.st_size
        self.mtime_ns: int = status.st_mtime_ns
        self.ctime_ns: int = status.st_ctime_ns
        self.device: int = status.st_dev
        self.inode: int = status.st_ino
        self.is_directory: bool = stat.S_ISDIR(status.st_mode)
        self.etag: bytes = b'"%x-%x"' % (status.st_mtime_ns, status.st_size)
        self.last_modified: bytes = format_http_date(status.st_mtime_ns // _NS_PER_S)
        self.at_hand_until_s = 0.0
        self.windows_read: set[int] = set()
        self.windows_until_s = 0.0

    @property
    def version(self) -> FileVersion:
        """The version that was opened."""
        return FileVersion(self.device, self.inode, self.size, self.mtime_ns, self.ctime_ns)

    @property
    def fd(self) -> int:
        """The descriptor; raises ValueError once the file is closed, for its number may name another file by then."""
        if self._fd < 0:
            raise ValueError("the file is closed")
        return self._fd

    @property
    def closed(self) -> bool:
        """Whether the last user has released the file."""
        return self._fd < 0

    def retain(self) -> OpenFile:
        """Count one more user, and return the file itself; raises ValueError once the file is closed."""
        if self._references == 0:
            raise ValueError("the file is closed")
        self._references += 1
        return self

    def release(self) -> None:
        """Count one user less; the last one closes the file. Raises ValueError once the file is closed."""
        if self._references == 0:
            raise ValueError("the file was released more often than retained")
        self._references -= 1
        if self._references == 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
