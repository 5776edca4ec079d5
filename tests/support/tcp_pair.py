"""Two ends of a TCP connection over the loopback, for tests of what needs real sockets."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def tcp_pair(*, buffer_bytes: int = 0) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield (non-blocking server's end, client's end with a time limit), with buffers of ``buffer_bytes`` if not 0."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        if buffer_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        client.settimeout(10)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            if buffer_bytes:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
            server.setblocking(False)
            yield server, client


def read_exactly(sock: socket.socket, count: int) -> bytes:
    """Read ``count`` bytes from a blocking socket."""
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        assert piece, f"the stream ended after {len(data)} of {count} bytes"
        data += piece
    return data
