"""Getting rid of request bodies without losing the place where the next request starts.

A file server has no use for a body, but the bytes that follow its head on the connection are the body and nothing
else: a server that took them for the next request would answer whatever a client hid in there (request smuggling). So
either all of a body is read and thrown away, exactly as framed, or the connection closes.

How a worker must use it
------------------------
1. Answer the request as if it had no body. When ``reply.close`` is set (the client waits for a 100, or the body is
   declared longer than the limit), send the reply and close in order: shut down writing, read and ignore what still
   comes until EOF or a deadline, so that no RST destroys the reply on its way (RFC 9112 section 9.6).
2. Otherwise, where ``request.body.kind`` isn't NONE, feed every byte that follows the head to a
   :class:`BodyDiscarder`, while it returns None.
3. The bytes that it returns at last start the next request. They go to ``skip_leading_crlf`` and ``head_end``.
4. On RequestError, on EOF, or when its time is up, close. No second reply is sent: the one to this request has gone.

The chunked grammar is written out here rather than left to h11, which takes control characters and a bare CR in chunk
extensions and bare LF in trailers. Each was the root of a smuggling advisory in some server. A property test shows that
whatever this accepts h11 accepts too, and that both end the body at the same byte.
"""

from __future__ import annotations

import re
from enum import Enum

from ktlsserve.errors import RequestError
from ktlsserve.http1.head import TOKEN
from ktlsserve.http1.request import BodyFraming, BodyKind

LINE_BYTES = 1024
"""Longest chunk-size or trailer line. Extensions are hardly ever used; nothing real comes near."""

_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER_LINE = re.compile(TOKEN + rb":[\t\x20-\x7e\x80-\xff]*\r\n")


class _Expect(Enum):
    """What comes next in a body."""

    DATA = "bytes of a body with Content-Length"
    CHUNK_LINE = "chunk-size line"
    CHUNK_DATA = "bytes of a chunk"
    CHUNK_END = "CRLF after the bytes of a chunk"
    TRAILER = "trailer line, or the empty line at the end"
    NOTHING = "the body has ended"


_COUNTED = (_Expect.DATA, _Expect.CHUNK_DATA)


class BodyDiscarder:
    """Reads over one request body.

    ``limit_bytes`` bounds all bytes of the body on the wire, framing included; RequestError 413 is raised past it, by
    the constructor already where the length is declared. Bad framing raises RequestError 400. Both are fatal.
    """

    __slots__ = ("_allowed", "_expect", "_line", "_remaining")

    def __init__(self, framing: BodyFraming, limit_bytes: int) -> None:
        self._allowed = limit_bytes
        self._line = bytearray()
        self._remaining = framing.length
        if framing.kind is BodyKind.CHUNKED:
            self._expect = _Expect.CHUNK_LINE
        elif framing.kind is BodyKind.LENGTH and framing.length:
            self._expect = _Expect.DATA
            if framing.length > limit_bytes:
                raise _too_long()
        else:
            self._expect = _Expect.NOTHING

    def receive_data(self, data: bytes) -> bytes | None:
        """Read over ``data``; return None while the body goes on, else the bytes that follow it (maybe none)."""
        at = 0
        while self._expect is not _Expect.NOTHING:
            if at == len(data):
                return None
            if not self._allowed:
                raise _too_long()
            stop = min(len(data), at + self._allowed)
            step = self._skip(stop - at) if self._expect in _COUNTED else self._read_line(data, at, stop)
            at += step
            self._allowed -= step
        return data[at:]

    def _skip(self, available: int) -> int:
        step = min(self._remaining, available)
        self._remaining -= step
        if not self._remaining:
            self._expect = _Expect.NOTHING if self._expect is _Expect.DATA else _Expect.CHUNK_END
        return step

    def _read_line(self, data: bytes, at: int, stop: int) -> int:
        """Gather a line up to its LF, and act on it when it is complete."""
        end = data.find(b"\n", at, stop) + 1
        step = (end or stop) - at
        if len(self._line) + step > LINE_BYTES:
            raise _malformed("chunk-size or trailer line too long")
        self._line += data[at : at + step]
        if end:
            self._expect = self._after_line(bytes(self._line))
            self._line.clear()
        return step

    def _after_line(self, line: bytes) -> _Expect:
        if self._expect is _Expect.CHUNK_LINE:
            match = _CHUNK_LINE.fullmatch(line)
            if match is None:
                raise _malformed("malformed chunk-size line")
            self._remaining = int(match[1], 16)
            return _Expect.CHUNK_DATA if self._remaining else _Expect.TRAILER
        if self._expect is _Expect.CHUNK_END:
            if line != b"\r\n":
                raise _malformed("no CRLF after a chunk")
            return _Expect.CHUNK_LINE
        # A trailer field is checked and forgotten: none means anything to a file server (RFC 9110 section 6.5.1).
        if line == b"\r\n":
            return _Expect.NOTHING
        if _TRAILER_LINE.fullmatch(line) is None:
            raise _malformed("malformed trailer line")
        return _Expect.TRAILER


def _malformed(reason: str) -> RequestError:
    return RequestError(400, reason, fatal=True)


def _too_long() -> RequestError:
    return RequestError(413, "request body longer than the limit", fatal=True)
