"""Clients that send nonsense, vanish, or never finish: the server goes on, and holds nothing of theirs."""

from __future__ import annotations

import random
import re
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.corpus import parse_responses
from tests.support.downloads import HELLO, LARGE_BYTES, SMALL_BUFFER_BYTES, make_download_root
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import End, TlsWire, Wire, client_context, dialer, request

pytestmark = pytest.mark.slow

WORKERS = 2
# Memory that OpenSSL and the allocator keep for the next connections.
MOST_GROWTH_BYTES = 12 << 20
SETTINGS = {"timeouts.close_s": 2.0, "log.level": "info"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(scope="module", params=["off", "userspace"])
def any_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: Path
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with Server(folder, root, tls=request.param, workers=WORKERS, settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def secure_server(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("secure")
    with Server(folder, root, tls="userspace", workers=WORKERS, settings=SETTINGS) as running:
        yield running


def _no_files(pid: int) -> list[str]:
    """Return what a worker holds but files, which stay open once it has served them: not each worker served all."""
    return sorted(target for target in processes.descriptors(pid).values() if not target.startswith("/"))


@contextmanager
def require_nothing_left(server: Server) -> Iterator[None]:
    """Require that within the block no worker ends, keeps a descriptor, grows, or logs a bug."""
    workers = server.worker_pids()
    warm_up(server)
    held = {pid: _no_files(pid) for pid in workers}
    memory = {pid: processes.resident_bytes(pid) for pid in workers}
    yield
    wait_until(lambda: all(len(_no_files(pid)) <= len(held[pid]) for pid in workers), "descriptors are given back")
    assert server.worker_pids() == workers
    growth = {pid: processes.resident_bytes(pid) - memory[pid] for pid in workers}
    assert max(growth.values()) < MOST_GROWTH_BYTES, growth
    with dialer(server)() as wire:
        assert wire.get("/hello.txt").body == HELLO
    server.require_no_bug()


def warm_up(server: Server) -> None:
    """Have every worker serve what the tests ask for, so that it has opened what it keeps open."""
    sockets = server.sockets()
    with ExitStack() as stack:
        # One of them has room for the next connection while the others are busy with theirs.
        for _ in range(8 * WORKERS):
            wire = stack.enter_context(dialer(server)())
            for path in ("/hello.txt", "/missing"):
                assert wire.get(path).status in {200, 404}
            wire.send(request("/large.bin"))
            wire.await_beginning()
    wait_until(lambda: server.sockets() == sockets, "the end of the connections")


@pytest.fixture
def server(any_server: Server) -> Iterator[Server]:
    """A server that must be, after the test, as it was before."""
    with require_nothing_left(any_server):
        yield any_server


@pytest.fixture
def tls_server(secure_server: Server) -> Iterator[Server]:
    with require_nothing_left(secure_server):
        yield secure_server


def test_plain_http_on_the_tls_port_is_told_so(tls_server: Server) -> None:
    for pieces in ([request("/")], [b"G", b"E", b"T", b" ", b"/"], [request("/", method="OPTIONS")]):
        with Wire(tls_server.address) as wire:
            for piece in pieces:
                wire.send(piece)
            found, rest = parse_responses(wire.read_to_end(), [])
            assert [response.status for response in found] == [400]
            assert found[0].values(b"Content-Type") == [b"text/plain; charset=utf-8"]
            assert found[0].values(b"Connection") == [b"close"]
            assert b"https://" in found[0].body
            assert (rest, wire.end) == (b"", End.FIN)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x80\x2e\x01\x00\x02",
        b"SSH-2.0-x\r\n",
        b"\x15\x03\x01\x00\x02\x01\x00",
        b"\x17\x03\x03\x00\x10" + bytes(16),
        b"\x16\x03\x01\xff\xff" + bytes(100_000),
        b"\x16\x03\x01\x00\x00" * 1000,
        b"\x16\x05\x00\x00\x05\x01\x00\x00\x01\x00",
    ],
    ids=["NUL", "SSL 2", "SSH", "alert", "application data", "long record", "empty records", "version 5"],
)
def test_what_is_no_handshake_is_ended(tls_server: Server, data: bytes) -> None:
    with Wire(tls_server.address) as wire:
        wire.send(data)
        # An alert or nothing, then the end; which end depends on how much the server was still to read.
        assert len(wire.read_to_end()) <= 7
        assert wire.end is not None


def first_flight(server: Server) -> bytes:
    """Return a ClientHello, which is the only thing that a client says unasked."""
    with TlsWire(server.address, client_context(server), shake_hands=False) as wire:
        with suppress(ssl.SSLWantReadError):
            wire.tls.do_handshake()
        return wire.outgoing.read()


def test_ten_thousand_records_of_noise(tls_server: Server) -> None:
    source = random.Random(10_000)
    hello = first_flight(tls_server)
    for number in range(400):
        with Wire(tls_server.address) as wire:
            records = [
                bytes([source.choice((20, 21, 22, 23, 24)), 3, source.randrange(5)])
                + (length := source.choice((0, 1, 5, 40, 300))).to_bytes(2, "big")
                + source.randbytes(length)
                for _ in range(25)
            ]
            # Half of them behind a true ClientHello, which brings OpenSSL further.
            with suppress(ConnectionError):
                wire.send((hello if number % 2 else b"") + b"".join(records))
                wire.half_close()
            wire.read_to_end()


def test_a_hello_with_damage(tls_server: Server) -> None:
    source = random.Random(22)
    hello = first_flight(tls_server)
    ends = set()
    for _ in range(300):
        damaged = bytearray(hello)
        for _ in range(source.randint(1, 4)):
            damaged[source.randrange(5, len(hello))] ^= 1 << source.randrange(8)
        with Wire(tls_server.address) as wire:
            with suppress(ConnectionError):
                wire.send(bytes(damaged))
                wire.half_close()
            wire.read_to_end()
            ends.add(wire.end)
    assert ends <= {End.FIN, End.RESET}


def test_a_hello_as_large_as_may_be_and_larger(tls_server: Server) -> None:
    for size in (65_000, 100_000):
        # One handshake message over many records: type client_hello, a length of three bytes.
        message = b"\x01" + (size - 4).to_bytes(3, "big") + bytes(size - 4)
        pieces = [message[start : start + 16384] for start in range(0, size, 16384)]
        with Wire(tls_server.address) as wire:
            with suppress(ConnectionError):
                wire.send(b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces))
            assert len(wire.read_to_end()) <= 7
            assert wire.end is not None
    tls_server.wait_for_log("handshake failed: the handshake is larger than 65536 bytes")


def test_half_a_hello_and_away(tls_server: Server) -> None:
    hello = first_flight(tls_server)
    for number in range(100):
        wire = Wire(tls_server.address)
        wire.send(hello[: 1 + number * len(hello) // 100])
        if number % 2:
            wire.reset()
        else:
            wire.close()


def test_a_hello_in_single_bytes(tls_server: Server) -> None:
    with TlsWire(tls_server.address, client_context(tls_server), shake_hands=False) as wire:
        with suppress(ssl.SSLWantReadError):
            wire.tls.do_handshake()
        for octet in wire.outgoing.read():
            wire.sock.sendall(bytes([octet]))
        wire.shake_hands()
        assert wire.get("/hello.txt").body == HELLO


@pytest.mark.parametrize("damage", ["a bit", "the type", "the length", "noise"])
def test_a_damaged_record_after_the_handshake(tls_server: Server, damage: str) -> None:
    with TlsWire(tls_server.address, client_context(tls_server)) as wire:
        assert wire.get("/hello.txt").body == HELLO
        record = bytearray(wire.seal(request("/hello.txt")))
        match damage:
            case "a bit":
                record[20] ^= 1
            case "the type":
                record[0] = 25
            case "the length":
                record[3:5] = b"\xff\xff"
            case _:
                record = bytearray(random.Random(5).randbytes(500))
        wire.sock.sendall(record)
        # Not a byte of a response: an alert at the most.
        with pytest.raises(ssl.SSLError, match="alert") if damage == "a bit" else suppress(ssl.SSLError):
            assert wire.receive() == b""
    tls_server.wait_for_log(rf"{re.escape(wire.name)}: connection ends: ")


def test_two_hundred_clients_vanish_at_random_points(server: Server) -> None:
    source = random.Random(200)
    dial = dialer(server, receive_buffer_bytes=SMALL_BUFFER_BYTES)
    for number in range(200):
        wire = dial()
        wire.send(request("/large.bin"))
        wanted = int(source.random() ** 4 * LARGE_BYTES / 16)
        taken = 0
        while taken < wanted:
            data = wire.receive()
            assert data, f"ended with {wire.end} after {taken} bytes"
            taken += len(data)
        match number % 3:
            case 0:
                wire.reset()
            case 1:
                wire.close()
            case _:
                wire.half_close()
                wire.close()


def test_many_clients_at_once_vanish(server: Server) -> None:
    dial = dialer(server, receive_buffer_bytes=SMALL_BUFFER_BYTES)
    wires = [dial() for _ in range(100)]
    for wire in wires:
        wire.send(request("/large.bin"))
    for wire in wires:
        wire.await_beginning()
    for wire in wires:
        wire.reset()
