"""A reply's body on its way: read from its file piece by piece, as the connection takes it."""

from __future__ import annotations

import os

from ktlsserve.http1.reply import FileSlice, Reply

# One DATA frame each. What waits in a stream's buffer stays within two of them, however large the file.
PIECE_BYTES = 1 << 16


class Truncated(Exception):
    """The file became shorter than its reply said."""


class Transfer:
    """The body of ``reply``, which must have one; owns the uses of its files until ``release``."""

    __slots__ = ("_at", "_offset", "_reply")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._at = 0
        self._offset = 0

    @property
    def finished(self) -> bool:
        """Whether all pieces were taken."""
        return self._at == len(self._reply.body)

    def next_piece(self) -> bytes:
        """Return the bytes that follow, PIECE_BYTES at most; raises Truncated where the file has no more."""
        part = self._reply.body[self._at]
        if isinstance(part, FileSlice):
            length = part.count
            piece = os.pread(part.file.fd, min(PIECE_BYTES, length - self._offset), part.offset + self._offset)
            if not piece:
                raise Truncated
        else:
            length = len(part)
            piece = part[self._offset : self._offset + PIECE_BYTES]
        self._offset += len(piece)
        if self._offset == length:
            self._at += 1
            self._offset = 0
        return piece

    def release(self) -> None:
        """Give up the files."""
        self._reply.release()
