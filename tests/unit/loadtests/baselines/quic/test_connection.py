"""A client of the same library speaks to a connection without a socket between them; time passes as it is told."""

from __future__ import annotations

import asyncio
import importlib
import os
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ktlsserve.files.mime import MimeTable
from ktlsserve.files.open_file import OpenFile
from ktlsserve.files.root import Root
from ktlsserve.http1.answer import Site
from ktlsserve.http1.reply import FileSlice
from loadtests.baselines.quic.batches import Address
from loadtests.baselines.quic.connection import H3_INTERNAL_ERROR, Connection
from loadtests.baselines.quic.endpoint import Sending
from loadtests.baselines.quic.implementation import NAMES, Implementation, is_closing, load
from loadtests.bench.certificate import make_certificate

CLIENT: Address = ("127.0.0.1", 1)
SERVER: Address = ("127.0.0.1", 2)
LARGE = bytes(range(256)) * 4096
_ROUNDS = 20_000
_STEP_S = 0.001


class Wire:
    """Carries datagrams; is the endpoint of the server."""

    def __init__(self, implementation: Implementation, site: Site, pem: Path) -> None:
        self.blocked = False
        self.sent: list[bytes] = []
        self.connections: list[Connection] = []
        self.touched: list[Sending] = []
        self.bodies: dict[int, bytes] = {}
        self.heads: dict[int, dict[bytes, bytes]] = {}
        self.ended: set[int] = set()
        self.resets: dict[int, int] = {}
        self._now_s = 1000.0
        asyncio.get_running_loop().time = lambda: self._now_s  # type: ignore[method-assign]

        def create(quic: Any, **_: object) -> Connection:
            made = Connection(quic, implementation, site, self)  # type: ignore[arg-type]  # an endpoint in all it uses
            self.connections.append(made)
            return made

        self._server = implementation.server(
            configuration=implementation.configuration(pem, pem), create_protocol=create
        )
        self._server.connection_made(self)
        self._implementation = implementation
        settings = importlib.import_module(f"{implementation.name}.quic.configuration").QuicConfiguration(
            is_client=True,
            alpn_protocols=["h3"],
            verify_mode=ssl.CERT_NONE,
            server_name="localhost",
            max_datagram_frame_size=65_535,
        )
        self.quic = importlib.import_module(f"{implementation.name}.quic.connection").QuicConnection(
            configuration=settings
        )
        self.quic.connect(SERVER, now=self._now_s)
        self.http: Any = None
        self.move_until(lambda: self.http is not None)

    def send(self, datagrams: Iterable[tuple[bytes, Address]]) -> None:
        self.sent += [data for data, _ in datagrams]

    def touch(self, connection: Sending) -> None:
        self.touched.append(connection)

    def get(self, path: bytes, *more: tuple[bytes, bytes], method: bytes = b"GET", end: bool = True) -> int:
        stream_id: int = self.quic.get_next_available_stream_id()
        fields = [(b":method", method), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", path), *more]
        self.http.send_headers(stream_id, fields, end_stream=end)
        return stream_id

    def move_until(self, condition: Callable[[], bool]) -> None:
        for _ in range(_ROUNDS):
            if condition():
                return
            self.move()
        pytest.fail("it doesn't come to that")

    def move(self) -> None:
        """Let a millisecond pass, and bring what both have sent to the other."""
        self._now_s += _STEP_S
        if (at_s := self.quic.get_timer()) is not None and at_s <= self._now_s:
            self.quic.handle_timer(now=self._now_s)
        for data, _ in self.quic.datagrams_to_send(now=self._now_s):
            self._server.datagram_received(data, CLIENT)
        touched, self.touched = self.touched, []
        for connection in touched:
            connection.transmit()
        for made in self.connections:
            if made._timer is not None and made._timer.when() <= self._now_s:
                made._timer.cancel()
                made._handle_timer(made._timer.when())
        sent, self.sent = self.sent, []
        for data in sent:
            self.quic.receive_datagram(data, SERVER, now=self._now_s)
        self._hear()

    def _hear(self) -> None:
        quic, http = self._implementation.quic_events, self._implementation.http_events
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, quic.ProtocolNegotiated):
                self.http = self._implementation.http(self.quic)
            elif isinstance(event, quic.StreamReset):
                self.resets[event.stream_id] = event.error_code
            for told in self.http.handle_event(event) if self.http else ():
                if isinstance(told, http.HeadersReceived):
                    assert told.stream_id not in self.heads, "answered twice"
                    self.heads[told.stream_id] = dict(told.headers)
                elif isinstance(told, http.DataReceived):
                    self.bodies[told.stream_id] = self.bodies.get(told.stream_id, b"") + told.data
                if getattr(told, "stream_ended", False):
                    self.ended.add(told.stream_id)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "large.bin").write_bytes(LARGE)
    (tree / "a.txt").write_bytes(b"abc")
    make_certificate(tmp_path / "pem")
    return tree


def _run(tree: Path, name: str, test: Callable[[Wire], None]) -> None:
    async def run() -> None:
        with Root(tree) as root:
            test(Wire(load(name), Site(root, MimeTable()), tree.parent / "pem"))

    asyncio.run(run())


@pytest.mark.parametrize("name", NAMES)
def test_files_come_whole_side_by_side(tree: Path, name: str) -> None:
    def test(wire: Wire) -> None:
        large, small, missing = wire.get(b"/large.bin"), wire.get(b"/a.txt"), wire.get(b"/nope")
        wire.move_until(lambda: wire.ended >= {large, small, missing})
        assert wire.bodies[large] == LARGE
        assert wire.bodies[small] == b"abc"
        assert wire.heads[small][b"content-length"] == b"3"
        assert wire.heads[missing][b":status"] == b"404"
        assert wire.connections[0]._transfers == {}

    _run(tree, name, test)


@pytest.mark.parametrize("name", NAMES)
def test_body_and_trailers_of_a_request_are_read_over(tree: Path, name: str) -> None:
    def test(wire: Wire) -> None:
        stream_id = wire.get(b"/a.txt", method=b"POST", end=False)
        wire.move()
        wire.http.send_data(stream_id, b"x" * 100, end_stream=False)
        wire.move()
        wire.http.send_headers(stream_id, [(b"trailer", b"y")], end_stream=True)
        wire.move_until(lambda: stream_id in wire.ended and not wire.connections[0]._unfinished)
        assert wire.heads[stream_id][b":status"] == b"405"
        after = wire.get(b"/a.txt")
        wire.move_until(lambda: after in wire.ended)
        assert wire.bodies[after] == b"abc"

    _run(tree, name, test)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_read_no_faster_than_it_is_sent_and_let_go_when_nobody_wants_it(tree: Path, name: str) -> None:
    def test(wire: Wire) -> None:
        stream_id = wire.get(b"/large.bin")
        wire.move_until(lambda: stream_id in wire.bodies)
        (connection,) = wire.connections
        part = connection._transfers[stream_id]._reply.body[0]
        assert isinstance(part, FileSlice)
        assert isinstance(part.file, OpenFile)
        assert connection._implementation.unsent_bytes(connection._quic, stream_id) <= 2 << 16
        wire.quic.stop_stream(stream_id, 0x10C)
        wire.move_until(lambda: not connection._transfers)
        assert part.file.closed
        after = wire.get(b"/a.txt")
        wire.move_until(lambda: after in wire.ended)

    _run(tree, name, test)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_became_shorter_resets_its_stream(tree: Path, name: str) -> None:
    def test(wire: Wire) -> None:
        stream_id = wire.get(b"/large.bin")
        wire.move_until(lambda: stream_id in wire.bodies)
        os.truncate(tree / "large.bin", 1000)
        wire.move_until(lambda: stream_id in wire.resets)
        assert wire.resets[stream_id] == H3_INTERNAL_ERROR
        assert not wire.connections[0]._transfers

    _run(tree, name, test)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_built_while_the_socket_takes_nothing(tree: Path, name: str) -> None:
    def test(wire: Wire) -> None:
        stream_id = wire.get(b"/large.bin")
        wire.blocked = True
        for _ in range(5):
            wire.move()
        assert stream_id not in wire.heads
        wire.blocked = False
        wire.move_until(lambda: stream_id in wire.ended)
        assert wire.bodies[stream_id] == LARGE

    _run(tree, name, test)


@pytest.mark.parametrize("name", NAMES)
def test_a_client_that_leaves_takes_its_transfers_with_it(tree: Path, name: str) -> None:
    def test(wire: Wire) -> None:
        stream_id = wire.get(b"/large.bin")
        wire.move_until(lambda: stream_id in wire.bodies)
        wire.quic.close()
        wire.move_until(lambda: not wire._server._protocols)
        assert not wire.connections[0]._transfers

    _run(tree, name, test)


@pytest.mark.parametrize("name", NAMES)
def test_the_end_of_the_server_is_told_in_the_middle_of_a_transfer(tree: Path, name: str) -> None:
    def test(wire: Wire) -> None:
        stream_id = wire.get(b"/large.bin")
        wire.move_until(lambda: stream_id in wire.bodies)
        wire.connections[0].close()
        assert not wire.connections[0]._transfers
        wire.move()
        assert is_closing(wire.quic)

    _run(tree, name, test)
