"""Clients that take their time, vanish or come all at once, and files that change while they are being sent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.http_stream import StreamReply, parse_replies, request
from tests.support.server import Server
from tests.support.sized_files import make_sized_files
from tests.support.tls_counters import read_counters
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import End, TlsWire, client_context

AT_ONCE = 200
SEND_S = 1.5
SMALL_BYTES, MEDIUM_BYTES = 20_000, 200_000
# More than all buffers on the way hold.
LARGE_BYTES = 12 << 20
TINY_BUFFER_BYTES = 4096


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    make_sized_files(root, (SMALL_BYTES, MEDIUM_BYTES, LARGE_BYTES))
    return root


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    """A server with more patience than a busy machine needs to run a test."""
    settings = {f"timeouts.{name}_s": LIMIT_S for name in ("head", "send", "close")}
    with Server(tmp_path_factory.mktemp("server"), root, tls="kernel", workers=2, settings=settings) as server:
        yield server


@pytest.fixture
def impatient(tmp_path: Path, root: Path) -> Iterator[Server]:
    with Server(tmp_path / "server", root, tls="kernel", settings={"timeouts.send_s": SEND_S}) as server:
        yield server


@pytest.fixture
def changing(root: Path) -> Iterator[Path]:
    """A large file that may be changed."""
    file = root / "changing.bin"
    file.write_bytes((root / f"{LARGE_BYTES}.bin").read_bytes())
    yield file
    file.unlink()


def connect(server: Server, *, receive_buffer_bytes: int = 0, max_segment_bytes: int = 0) -> TlsWire:
    return TlsWire(
        server.address,
        client_context(server),
        receive_buffer_bytes=receive_buffer_bytes,
        max_segment_bytes=max_segment_bytes,
    )


def begin_download(client: TlsWire, path: str) -> bytes:
    """Request a file and read its beginning; the server is then held up by a client that reads no further."""
    client.send(request(path, close=True))
    return client.receive()


def the_reply(stream: bytes) -> StreamReply:
    (reply,) = parse_replies(stream)
    assert reply.status == 200
    return reply


def test_slow_readers_get_everything(server: Server, root: Path) -> None:
    content = (root / f"{MEDIUM_BYTES}.bin").read_bytes()
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                connect(server, receive_buffer_bytes=TINY_BUFFER_BYTES, max_segment_bytes=max_segment_bytes)
            )
            for max_segment_bytes in (0, 0, 1460, 1460, 536, 536)
        ]
        streams = {client: begin_download(client, f"/{MEDIUM_BYTES}.bin") for client in clients}
        while reading := [client for client in clients if client.end is None]:
            for client in reading:
                streams[client] += client.receive()
        assert [client.end for client in clients] == [End.CLOSE_NOTIFY] * len(clients)
        for stream in streams.values():
            assert the_reply(stream).body == content


def test_a_reader_that_is_slow_and_steady_is_not_given_up(impatient: Server) -> None:
    """It takes so little at a time that the server isn't told of it while a whole timeout passes."""
    until_s = time.monotonic() + 2.5 * SEND_S
    with connect(impatient, receive_buffer_bytes=1 << 16) as client:
        begin_download(client, f"/{LARGE_BYTES}.bin")
        while time.monotonic() < until_s:
            assert client.receive()
            time.sleep(SEND_S / 20)
        assert client.end is None


@pytest.mark.parametrize("way", ["RST", "FIN"])
def test_a_client_that_vanishes_leaves_nothing_behind(impatient: Server, way: str) -> None:
    sockets, keys = impatient.sockets(), read_counters()["TlsCurrTxSw"]
    client = connect(impatient, receive_buffer_bytes=TINY_BUFFER_BYTES)
    try:
        begin_download(client, f"/{LARGE_BYTES}.bin")
        assert impatient.sockets() == sockets + 1
        if way == "RST":
            client.reset()
        else:
            client.sock.shutdown(2)
        wait_until(lambda: impatient.sockets() == sockets, "the connection's descriptor is gone")
        wait_until(lambda: read_counters()["TlsCurrTxSw"] == keys, "the kernel's keys are gone")
    finally:
        client.close()


def test_a_client_that_only_stops_sending_gets_the_rest(server: Server, root: Path) -> None:
    with connect(server, receive_buffer_bytes=TINY_BUFFER_BYTES) as client:
        stream = begin_download(client, f"/{MEDIUM_BYTES}.bin")
        client.sock.shutdown(1)
        stream += client.read_to_end()
        assert client.end is End.CLOSE_NOTIFY
    assert the_reply(stream).body == (root / f"{MEDIUM_BYTES}.bin").read_bytes()


@pytest.mark.parametrize("left_bytes", [0, 16_384 * 3 + 1, LARGE_BYTES - 1])
def test_a_file_cut_short_ends_the_connection_without_close_notify(
    server: Server, changing: Path, left_bytes: int
) -> None:
    content, mark = changing.read_bytes(), server.log_mark()
    with connect(server, receive_buffer_bytes=TINY_BUFFER_BYTES) as client:
        stream = begin_download(client, "/changing.bin")
        os.truncate(changing, left_bytes)
        stream += client.read_to_end()
        assert client.end is End.RESET
    reply = the_reply(stream)
    assert not reply.complete
    assert content.startswith(reply.body)
    server.wait_for_log("connection aborted: a file ends", since=mark)


def test_a_replaced_file_is_sent_as_it_was(server: Server, changing: Path, root: Path) -> None:
    old, new = changing.read_bytes(), b"new content"
    with connect(server, receive_buffer_bytes=1 << 16) as client:
        stream = begin_download(client, "/changing.bin")
        draft = root / "draft"
        draft.write_bytes(new)
        draft.replace(changing)
        with connect(server) as other:
            assert other.get("/changing.bin").body == new
        stream += client.read_to_end()
        assert client.end is End.CLOSE_NOTIFY
    assert the_reply(stream).body == old


def test_a_file_that_grows_is_sent_as_long_as_announced(server: Server, changing: Path) -> None:
    old = changing.read_bytes()
    with connect(server, receive_buffer_bytes=1 << 16) as client:
        stream = begin_download(client, "/changing.bin")
        with changing.open("ab") as file:
            file.write(b"more")
        stream += client.read_to_end()
        assert client.end is End.CLOSE_NOTIFY
    assert the_reply(stream).body == old


def test_two_hundred_connections_at_once(server: Server, root: Path) -> None:
    content = (root / f"{SMALL_BYTES}.bin").read_bytes()
    sockets, keys = server.sockets(), read_counters()["TlsCurrTxSw"]
    context = client_context(server)
    with ExitStack() as stack:
        clients = [stack.enter_context(TlsWire(server.address, context)) for _ in range(AT_ONCE)]
        for client in clients:
            client.send(request(f"/{SMALL_BYTES}.bin", close=True))
        # None of them has closed its side, and the server reads on until they do.
        assert read_counters()["TlsCurrTxSw"] == keys + AT_ONCE
        for client in clients:
            assert the_reply(client.read_to_end()).body == content
            assert client.end is End.CLOSE_NOTIFY
    wait_until(lambda: server.sockets() == sockets, "the connections' descriptors are gone")
    assert read_counters()["TlsCurrTxSw"] == keys
