"""One client's connection, with its hand on every byte: sent in any pieces, read when the test likes, ended in any way.

:class:`Wire` is plain TCP, :class:`TlsWire` the same over TLS by Python's ssl between two memory BIOs, so that records
can be counted, split and held back. ``end`` tells how the server ended the connection. Nothing waits longer than
LIMIT_S.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Self

from tests.support.corpus import Response, parse_responses
from tests.support.server import Server
from tests.support.waiting import LIMIT_S

READ_BYTES = 65536


class End(Enum):
    """How a connection ended: in TLS, a FIN without close_notify may be the work of anybody on the way."""

    FIN = "FIN"
    CLOSE_NOTIFY = "close_notify"
    RESET = "RST"


class Wire:
    """A plain TCP connection to ``address``.

    A small ``receive_buffer_bytes`` lets the server feel a slow reader; ``max_segment_bytes`` limits its segments.
    ``source`` is an address of this machine to connect from: all of 127.0.0.0/8 are.
    """

    orderly = End.FIN

    def __init__(
        self,
        address: tuple[str, int],
        *,
        receive_buffer_bytes: int = 0,
        max_segment_bytes: int = 0,
        source: str = "",
    ) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.end: End | None = None
        self._unparsed = b""
        try:
            if receive_buffer_bytes:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            if max_segment_bytes:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, max_segment_bytes)
            # Pieces are pieces.
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.settimeout(LIMIT_S)
            if source:
                self.sock.bind((source, 0))
            self.sock.connect(address)
            host, port = self.sock.getsockname()[:2]
        except BaseException:
            self.sock.close()
            raise
        # How the server's log calls this connection.
        self.name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Send ``data`` in one piece (one record, in TLS); raises OSError where the server has reset the connection."""
        self.sock.sendall(data)

    def seal(self, data: bytes) -> bytes:
        """Return what carries ``data`` on ``sock`` (one record, in TLS), to be sent in pieces; it must be sent."""
        return data

    def receive(self) -> bytes:
        """Wait for bytes; ``b""`` once the connection has ended, and ``end`` then says how."""
        if self.end is not None:
            return b""
        try:
            data = self.sock.recv(READ_BYTES)
        except ConnectionResetError:
            self.end = End.RESET
            return b""
        if not data:
            self.end = End.FIN
        return data

    def receive_now(self) -> bytes:
        """Return what has arrived already, which may be nothing."""
        self.sock.settimeout(0)
        try:
            return self.receive()
        except BlockingIOError:
            return b""
        finally:
            self.sock.settimeout(LIMIT_S)

    def responses(self, count: int, heads: Sequence[bool] = ()) -> list[Response]:
        """Wait for ``count`` responses, or fewer if the connection ends; ``heads`` are those that answer a HEAD."""
        found: list[Response] = []
        while True:
            complete, self._unparsed = parse_responses(self._unparsed, list(heads[len(found) :]))
            found += complete
            if len(found) >= count:
                return found
            data = self.receive()
            if not data:
                return found
            self._unparsed += data

    def await_beginning(self) -> None:
        """Wait until something has come; it is kept for ``responses`` and ``read_to_end``."""
        self._unparsed += self.receive()

    def get(self, path: str, *fields: str, method: str = "GET") -> Response:
        """Make one request and wait for its response."""
        self.send(request(path, *fields, method=method))
        (response,) = self.responses(1, [method == "HEAD"])
        return response

    def read_to_end(self) -> bytes:
        """Return all that still comes; ``end`` says what ended it."""
        pieces = [self._unparsed]
        self._unparsed = b""
        while data := self.receive():
            pieces.append(data)
        return b"".join(pieces)

    def half_close(self) -> None:
        """Say that nothing more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Vanish: close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        """Close the socket, whatever has been sent or received."""
        self.sock.close()


class TlsWire(Wire):
    """A TLS connection: ``sock`` carries the records. With ``shake_hands`` False nothing has been said yet."""

    orderly = End.CLOSE_NOTIFY

    def __init__(
        self,
        address: tuple[str, int],
        context: ssl.SSLContext,
        *,
        receive_buffer_bytes: int = 0,
        max_segment_bytes: int = 0,
        session: ssl.SSLSession | None = None,
        shake_hands: bool = True,
        source: str = "",
    ) -> None:
        super().__init__(
            address, receive_buffer_bytes=receive_buffer_bytes, max_segment_bytes=max_segment_bytes, source=source
        )
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost", session=session)
        if shake_hands:
            try:
                self.shake_hands()
            except BaseException:
                self.close()
                raise

    def shake_hands(self) -> None:
        """Do the handshake; raises ssl.SSLError where it fails."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            else:
                self._flush()
                return

    def send(self, data: bytes) -> None:
        """Send ``data``, in one record if it fits."""
        self.tls.write(data)
        self._flush()

    def seal(self, data: bytes) -> bytes:
        """Return the record that carries ``data``; it must be sent before any other."""
        self.tls.write(data)
        return self.outgoing.read()

    def receive(self) -> bytes:
        """Wait for plaintext; ``b""`` once the connection has ended, and ``end`` then says how."""
        while self.end is None:
            try:
                data = self.tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                try:
                    self._fill()
                except ConnectionResetError:
                    self.end = End.RESET
                continue
            except ssl.SSLZeroReturnError:
                self.end = End.CLOSE_NOTIFY
                continue
            except ssl.SSLEOFError:
                self.end = End.FIN
                continue
            if data:
                return data
            # SSLObject.read gives b"" for close_notify.
            self.end = End.CLOSE_NOTIFY
        return b""

    def half_close(self) -> None:
        """Send close_notify, then FIN; what the server sends can still be read."""
        # OpenSSL, waiting for the server's close_notify, takes data that it had already for an error.
        with suppress(ssl.SSLWantReadError):
            while data := self.tls.read(READ_BYTES):
                self._unparsed += data
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        self._flush()
        super().half_close()

    def _flush(self) -> None:
        if data := self.outgoing.read():
            self.sock.sendall(data)

    def _fill(self) -> None:
        if data := self.sock.recv(READ_BYTES):
            self.incoming.write(data)
        else:
            self.incoming.write_eof()


Dial = Callable[[], Wire]


def request(path: str, *fields: str, method: str = "GET") -> bytes:
    """Write a request's head; ``fields`` are further lines."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *fields, "", ""]).encode("latin-1")


def client_context(server: Server) -> ssl.SSLContext:
    """Return a context that trusts the server's certificate and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(server.ca_file)
    return context


def dialer(server: Server, *, receive_buffer_bytes: int = 0, listener: int = 0, source: str = "") -> Dial:
    """Return what opens a connection to a listener, over TLS if that is what it speaks."""
    line = server.listening()[listener]
    address = (line.host.strip("[]"), line.port)
    if line.scheme == "http":
        return lambda: Wire(address, receive_buffer_bytes=receive_buffer_bytes, source=source)
    context = client_context(server)
    return lambda: TlsWire(address, context, receive_buffer_bytes=receive_buffer_bytes, source=source)
