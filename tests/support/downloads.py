"""A download that takes as long as the test likes: a file beyond all buffers, and a client that takes little of it."""

from __future__ import annotations

from pathlib import Path

from tests.support.corpus import parse_responses
from tests.support.server import Server
from tests.support.wire import Wire, dialer, request

# The kernel lets a sender on loopback have 4 MiB under way (net.ipv4.tcp_wmem), and the receiver 6 MiB.
LARGE_BYTES = 24 << 20
SMALL_BUFFER_BYTES = 16384

HELLO = b"hello, world\n"


def make_download_root(folder: Path) -> Path:
    """Put ``large.bin`` (zeros, which take no room on the disk) and ``hello.txt`` into ``folder``; return it."""
    (folder / "hello.txt").write_bytes(HELLO)
    with (folder / "large.bin").open("wb") as file:
        file.truncate(LARGE_BYTES)
    return folder


def begin_download(server: Server, path: str = "/large.bin") -> Wire:
    """Ask for the large file over a new connection, and wait for the beginning of the reply."""
    wire = dialer(server, receive_buffer_bytes=SMALL_BUFFER_BYTES)()
    wire.send(request(path))
    wire.await_beginning()
    return wire


def require_whole(wire: Wire) -> None:
    """Take the rest of the large file, and require all of it and an orderly end of the connection."""
    stream = wire.read_to_end()
    assert wire.end is wire.orderly, f"the connection ended with {wire.end} after {len(stream)} bytes"
    (response,), rest = parse_responses(stream, [])
    assert (response.status, len(response.body), rest) == (200, LARGE_BYTES, b"")


def finish(wire: Wire) -> None:
    """As ``require_whole``, for a connection that only its client has reason to end."""
    wire.half_close()
    require_whole(wire)


def require_cut(wire: Wire) -> None:
    """Take what still comes, and require that it isn't whole."""
    assert len(wire.read_to_end()) < LARGE_BYTES
