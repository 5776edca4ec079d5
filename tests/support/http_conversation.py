"""What a worker does with the pure core, without a worker.

:class:`Conversation` takes the bytes of a connection in whatever pieces they come, and returns the bytes to send. It is
the order of calls that counts, and the worker keeps to the same:

1. between requests, drop empty lines (``skip_leading_crlf``);
2. look for the end of the head (``head_end``), from where the last look ended;
3. parse it, answer it, send the reply: head first, then each part of the body, releasing each file slice when sent;
4. if the reply closes, or its request was unreadable, nothing that arrives later means anything;
5. else read over the request's body (``BodyDiscarder``), and what is left starts the next request.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from ktlsserve.errors import RequestError
from ktlsserve.http1.answer import Site, answer
from ktlsserve.http1.body import BodyDiscarder
from ktlsserve.http1.head import head_end, parse_head, skip_leading_crlf
from ktlsserve.http1.reply import FileSlice, Reply, error_reply
from ktlsserve.http1.request import BodyKind, HeadLimits


def read_descriptor_slice(part: FileSlice) -> bytes:
    """Return the bytes of a slice of a file with a real descriptor."""
    return os.pread(part.file.fd, part.count, part.offset)


class Conversation:
    """One connection's worth of HTTP; ``closed`` tells that the server has ended it."""

    def __init__(
        self,
        site: Site,
        now_s: int,
        limits: HeadLimits | None = None,
        read_slice: Callable[[FileSlice], bytes] = read_descriptor_slice,
    ) -> None:
        self.closed = False
        self._site = site
        self._now_s = now_s
        self._limits = limits or HeadLimits()
        self._read_slice = read_slice
        self._buffer = bytearray()
        self._searched = 0
        self._discarder: BodyDiscarder | None = None

    def receive_data(self, data: bytes) -> bytes:
        """Take ``data`` from the client and return all that is to be sent because of it."""
        if self.closed:
            return b""
        self._buffer += data
        sent = bytearray()
        while not self.closed and self._body_is_over():
            reply = self._next_reply()
            if reply is None:
                break
            sent += self._send(reply)
        return bytes(sent)

    def _body_is_over(self) -> bool:
        """Read over what is left of the last request's body."""
        if self._discarder is None:
            return True
        try:
            rest = self._discarder.receive_data(bytes(self._buffer))
        except RequestError:
            # The reply has gone: a second one would be taken for the reply to a request never made.
            self.closed = True
            return False
        self._buffer[:] = rest or b""
        if rest is None:
            return False
        self._discarder = None
        return True

    def _next_reply(self) -> Reply | None:
        """Take one head off the buffer and answer it; None while it is incomplete."""
        empty_lines = skip_leading_crlf(self._buffer)
        if empty_lines:
            del self._buffer[:empty_lines]
            self._searched = 0
        try:
            end = head_end(self._buffer, self._limits, self._searched)
            if end < 0:
                self._searched = len(self._buffer)
                return None
            request = parse_head(bytes(self._buffer[:end]), self._limits)
        except RequestError as error:
            return error_reply(error.status, None, self._now_s, server=self._site.server)
        del self._buffer[:end]
        self._searched = 0
        reply = answer(request, self._site, self._now_s)
        if not reply.close and request.body.kind is not BodyKind.NONE:
            self._discarder = BodyDiscarder(request.body, self._site.body_bytes)
        return reply

    def _send(self, reply: Reply) -> bytes:
        self.closed = reply.close
        pieces = [reply.head]
        for part in reply.body:
            if isinstance(part, FileSlice):
                pieces.append(self._read_slice(part))
                part.file.release()
            else:
                pieces.append(part)
        return b"".join(pieces)


def converse(conversation: Conversation, pieces: Iterable[bytes]) -> bytes:
    """Feed ``pieces`` in order and return everything that was sent."""
    return b"".join(conversation.receive_data(piece) for piece in pieces)
