"""Whether the bytes of a file are in memory, so that sending them won't wait for a disk.

Theory of operation
-------------------
``preadv2`` with RWF_NOWAIT reads what the page cache has, and fails with EAGAIN where it would have to wait. A byte in
each half mebibyte is asked for, and the last one: about a microsecond each, where sending as much takes 100 and more.
Between the places that are asked a page may be missing; then the loop waits for that one read, as it would without
all this. What is sent from memory of our own (``ktlsserve.worker.memo``) is never asked about.

A file that was found in memory as a whole is taken to be there for a second: a file of 64 KiB that is asked for
10,000 times a second isn't asked about 10,000 times.

Not every file system takes RWF_NOWAIT (Linux 6.12: ext4, XFS, btrfs and f2fs do):

- tmpfs and ramfs *are* memory: always at hand;
- of all others (overlayfs, NFS, FUSE, 9p, CIFS) nothing is known. There the reading thread goes first: what it has
  read is taken to be at hand for ten seconds, then it goes again. For a hot file that is one errand in ten seconds for
  each mebibyte; the other choice, to take everything as at hand, would stop the worker whenever a network does.

mincore(2) and cachestat(2) would tell about any file system, but since Linux 5.2 and 6.14 only to the file's owner or
who may write it: a server should be neither.
"""

from __future__ import annotations

import errno
import math
import os
from enum import Enum, auto

from ktlsserve.files.open_file import OpenFile
from ktlsserve.http1.reply import ServedFile
from ktlsserve.kernel.mounts import file_system_type

# What is asked about, read ahead and remembered at a time: a slice of one connection's turn.
WINDOW_BYTES = 1 << 20
_STRIDE_BYTES = 1 << 19
_FOUND_FOR_S = 1.0
_READ_FOR_S = 10.0
_IN_MEMORY = frozenset({"tmpfs", "ramfs", "devtmpfs", "hugetlbfs"})
# Musl before 1.2.5 has no preadv2, and then Python no RWF_NOWAIT.
_RWF_NOWAIT: int | None = getattr(os, "RWF_NOWAIT", None)
_NOT_TAKEN = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class Kind(Enum):
    """What can be learnt of a device's files."""

    TELLS = auto()
    IS_MEMORY = auto()
    UNKNOWN = auto()


class Residency:
    """Knows of one worker's files what is at hand; ``now_s`` is the monotonic time, set by the owner.

    Not ``enabled``, it takes everything to be at hand.
    """

    __slots__ = ("_enabled", "_kinds", "_probe", "now_s")

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._kinds: dict[int, Kind] = {}
        self._probe = bytearray(1)
        self.now_s = 0.0

    def at_hand(self, file: ServedFile, offset: int, count: int) -> bool:
        """Tell whether ``count`` bytes from ``offset`` can be sent without waiting, as far as can be known."""
        if not self._enabled or not isinstance(file, OpenFile) or self.now_s < file.at_hand_until_s:
            return True
        kind = self._kinds.get(file.device) or self._learn(file)
        if kind is Kind.IS_MEMORY:
            file.at_hand_until_s = math.inf
            return True
        if kind is Kind.UNKNOWN:
            return self.now_s < file.windows_until_s and offset // WINDOW_BYTES in file.windows_read
        end = offset + count
        places = [*range(offset + _STRIDE_BYTES - 1, end - 1, _STRIDE_BYTES), end - 1]
        if not all(self._has(file.fd, place) for place in places):
            return False
        if count >= file.size:
            file.at_hand_until_s = self.now_s + _FOUND_FOR_S
        return True

    def read(self, file: ServedFile, offset: int, count: int) -> bytes | None:
        """Return bytes of a file if that needs no waiting, else None; fewer where the file has become shorter."""
        kind = self._kind(file)
        if kind is Kind.TELLS and _RWF_NOWAIT is not None:
            content = bytearray(count)
            try:
                got = os.preadv(file.fd, [content], offset, _RWF_NOWAIT)
            except OSError:
                return None
            # A short read is either the end of what is in memory or that of the file: who sends it finds out.
            return bytes(content) if got == count else None
        return os.pread(file.fd, count, offset) if self.at_hand(file, offset, count) else None

    def note_read(self, file: OpenFile, offset: int, count: int) -> None:
        """Take bytes to be at hand that have just been read, of a file of which nothing else is known."""
        if self._kind(file) is not Kind.UNKNOWN:
            return
        if count >= file.size:
            file.at_hand_until_s = self.now_s + _READ_FOR_S
            return
        if self.now_s >= file.windows_until_s:
            file.windows_read.clear()
            file.windows_until_s = self.now_s + _READ_FOR_S
        # A window that was read in part isn't taken as read: the next one asks for it again.
        if offset % WINDOW_BYTES == 0 and (count >= WINDOW_BYTES or offset + count >= file.size):
            file.windows_read.add(offset // WINDOW_BYTES)

    def _kind(self, file: ServedFile) -> Kind:
        if not self._enabled or not isinstance(file, OpenFile):
            return Kind.IS_MEMORY
        return self._kinds.get(file.device) or self._learn(file)

    def _learn(self, file: OpenFile) -> Kind:
        kind = Kind.UNKNOWN
        if _takes_nowait(file.fd):
            kind = Kind.TELLS
        elif file_system_type(file.device) in _IN_MEMORY:
            kind = Kind.IS_MEMORY
        self._kinds[file.device] = kind
        return kind

    def _has(self, fd: int, place: int) -> bool:
        try:
            # 0 is the end of a file that has become shorter: sendfile finds out too.
            os.preadv(fd, [self._probe], place, _RWF_NOWAIT or 0)
        except OSError:
            # EAGAIN; or EIO, which whoever reads ahead won't see, and sendfile will.
            return False
        return True


def _takes_nowait(fd: int) -> bool:
    if _RWF_NOWAIT is None:
        return False
    try:
        os.preadv(fd, [bytearray(1)], 0, _RWF_NOWAIT)
    except OSError as error:
        return error.errno not in _NOT_TAKEN
    return True
