"""Asking one server, on a connection that is kept for as long as it keeps it."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.support.waiting import LIMIT_S

READ_BYTES = 65536
LONGEST_BODY_BYTES = 1 << 20
"""A body longer than this is given up, and its connection with it."""

_BODILESS = (100, 204, 304)


@dataclass(frozen=True)
class Answer:
    """One response; ``body`` is None where it was too long to be read. Names of fields are in lower case."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes | None

    def field(self, name: str) -> str | None:
        """Return the value of a field, several joined by a comma; None where there is none."""
        values = [value for field, value in self.fields if field == name]
        return ", ".join(values) if values else None

    @property
    def closes(self) -> bool:
        """Whether the server says that it will end the connection."""
        return self.field("connection") == "close"


class Client:
    """Asks the server at ``address``, and opens a new connection where the server has ended the last one.

    ``dropped`` names the requests after whose responses it did so without having said so. That is seen at the next
    request, which gets no answer; it is sent once more then.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.dropped: list[str] = []
        self._address = address
        self._sock: socket.socket | None = None
        self._unread = b""
        self._last = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def ask(self, name: str, request: bytes, *, head: bool) -> Answer:
        """Send a request, called ``name``, and read its response, to the end of the connection if that is announced."""
        answer = None if self._sock is None else self._exchange(self._sock, request, head=head)
        if answer is None:
            if self._sock is not None:
                self.dropped.append(self._last)
                self._close()
            self._sock = self._connected()
            answer = self._exchange(self._sock, request, head=head)
            assert answer is not None, f"no response to {request!r}"
        self._last = name
        return answer

    def _exchange(self, sock: socket.socket, request: bytes, *, head: bool) -> Answer | None:
        """Return the response; None where the connection ended before it."""
        try:
            sock.sendall(request)
            self._unread = sock.recv(READ_BYTES)
        except (BrokenPipeError, ConnectionResetError):
            return None
        if not self._unread:
            return None
        while b"\r\n\r\n" not in self._unread:
            self._read(sock, request)
        text, _, self._unread = self._unread.partition(b"\r\n\r\n")
        answer = _parse_head(text)
        length = 0 if head or answer.status in _BODILESS else int(answer.field("content-length") or 0)
        if length > LONGEST_BODY_BYTES:
            self._close()
            return Answer(answer.status, answer.fields, None)
        while len(self._unread) < length:
            self._read(sock, request)
        body, self._unread = self._unread[:length], self._unread[length:]
        assert not self._unread, f"more than the response to {request!r}: {self._unread[:80]!r}"
        if answer.closes:
            assert sock.recv(1) == b"", f"more after the response to {request!r}"
            self._close()
        return Answer(answer.status, answer.fields, body)

    def send_and_end(self, data: bytes) -> bytes:
        """Send ``data`` on a connection of its own, end it, and return everything that comes."""
        with self._connected() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            pieces = []
            while True:
                try:
                    piece = sock.recv(READ_BYTES)
                except ConnectionResetError:
                    break
                if not piece:
                    break
                pieces.append(piece)
        return b"".join(pieces)

    def _connected(self) -> socket.socket:
        sock = socket.create_connection(self._address, LIMIT_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def _read(self, sock: socket.socket, request: bytes) -> None:
        data = sock.recv(READ_BYTES)
        assert data, f"the connection ended within the response to {request!r}"
        self._unread += data

    def _close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        self._unread = b""


def parse_statuses(data: bytes) -> list[str]:
    """Return the statuses of responses to GET that follow each other; what is no response counts as one of HTTP/0.9."""
    statuses: list[str] = []
    while data:
        if not data.startswith(b"HTTP/1.1 "):
            return [*statuses, "no head"]
        text, blank, data = data.partition(b"\r\n\r\n")
        if not blank:
            return [*statuses, "a part of a head"]
        answer = _parse_head(text)
        statuses.append(str(answer.status))
        length = 0 if answer.status in _BODILESS else int(answer.field("content-length") or 0)
        if len(data) < length:
            return [*statuses, "a part of a body"]
        data = data[length:]
    return statuses


def _parse_head(text: bytes) -> Answer:
    status_line, *lines = text.decode("latin-1").split("\r\n")
    version, status, _ = status_line.split(" ", 2)
    assert version == "HTTP/1.1", status_line
    fields = []
    for line in lines:
        name, colon, value = line.partition(": ")
        assert colon, line
        fields.append((name.lower(), value))
    return Answer(int(status), tuple(fields), b"")
