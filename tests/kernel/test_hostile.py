"""Clients that break the protocol, before the handshake and beneath it, with records that authenticate and without.

Whatever they do, others are served as before, the workers give their descriptors back and keep their size, and the log
tells of no bug. Every test is followed by that question.
"""

from __future__ import annotations

import random
import re
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.support import processes
from tests.support.clients import Choice
from tests.support.record_client import RecordClient
from tests.support.record_protection import ALERT, APPLICATION_DATA, HANDSHAKE
from tests.support.s_client import SClient
from tests.support.server import Server
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import End, TlsWire, Wire, client_context, request

KIB, MIB = 1024, 1024 * 1024
CONTENT = b"still here\n"
# An extension type that no server knows (RFC 8701).
GREASE = 0xFAFA
CHANGE_CIPHER_SPEC, HEARTBEAT, UNKNOWN = 20, 24, 99
MAX_HANDSHAKE_BYTES = 64 * KIB
# What a worker may grow by while all of these tests run: a handshake that isn't given back would take 50 KiB.
MOST_GROWTH_BYTES = 16 * MIB
# Short, because what is waited for is that they pass; the handshake's isn't, or a busy machine would miss it.
IDLE_S = 5.0
CLOSE_S = 0.5
HANDSHAKE_S = 0.5
STRINGS, CONNECTIONS = 10_000, 200


@pytest.fixture(scope="module", params=["kernel", "openssl"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("root")
    (root / "file").write_bytes(CONTENT)
    settings = {
        "tls.receive": request.param,
        "tls.max_handshake_bytes": MAX_HANDSHAKE_BYTES,
        "timeouts.handshake_s": LIMIT_S,
        "timeouts.head_s": LIMIT_S,
        # Where the kernel stops reading without a word, this is what ends the connection.
        "timeouts.idle_s": IDLE_S,
        "timeouts.close_s": CLOSE_S,
        # Failed handshakes are told at level info: ten thousand lines of debugging would only take time.
        "log.level": "info",
    }
    with Server(tmp_path_factory.mktemp("server"), root, tls="kernel", settings=settings) as running:
        serve_one(running)
        (worker,) = running.worker_pids()
        before = processes.resident_bytes(worker)
        yield running
        assert processes.resident_bytes(worker) - before < MOST_GROWTH_BYTES
        assert running.worker_pids() == [worker]


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that gives clients little time for their handshake."""
    settings = {"timeouts.handshake_s": HANDSHAKE_S}
    with Server(
        tmp_path_factory.mktemp("hasty"), tmp_path_factory.mktemp("root"), tls="kernel", settings=settings
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def unharmed(server: Server) -> Iterator[None]:
    """Require after each test that the server is as it was."""
    (worker,) = server.worker_pids()
    before = descriptors(worker)
    yield
    serve_one(server)
    wait_until(lambda: descriptors(worker) == before, "the worker's descriptors as before")
    server.require_no_bug()


def descriptors(pid: int) -> list[str]:
    """Return what the process has open; sockets only as such, since another has another number."""
    return sorted(re.sub(r"^socket:.*", "socket", target) for target in processes.descriptors(pid).values())


def serve_one(server: Server) -> None:
    with TlsWire(server.address, client_context(server)) as wire:
        response = wire.get("/file", "Connection: close")
        assert (response.status, response.body) == (200, CONTENT)
        assert wire.read_to_end() == b""
        assert wire.end is End.CLOSE_NOTIFY


def offer(server: Server, data: bytes) -> tuple[bytes, End | None]:
    """Send ``data`` and FIN over a new connection without TLS; return what comes back and how the connection ends."""
    with Wire(server.address) as wire:
        # The server may have enough before it has all.
        with suppress(OSError):
            wire.send(data)
            wire.half_close()
        answer = wire.read_to_end()
        return answer, wire.end


# Before the handshake.


def test_plain_http_is_told_so(server: Server) -> None:
    # Without a FIN at once: the kernel gives its TLS only to connections that are open both ways.
    with Wire(server.address) as wire:
        wire.send(request("/file"))
        answer = wire.read_to_end()
        end = wire.end
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.endswith(b"This port speaks HTTPS: use https:// in the address.\n")
    assert end is End.FIN


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 64,
        b"\xff" * 70_000,
        b"SSH-2.0-OpenSSH_10.2\r\n",
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37),  # the hello of SSL 2
        b"\x16\x03\x01\xff\xff" + bytes(65535),
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x17\x03\x03\x00\x05hello",
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
    ids=["zeros", "ones", "ssh", "ssl2", "long record", "empty record", "ServerHello", "data", "alert"],
)
def test_garbage_gets_an_alert_at_most(server: Server, data: bytes) -> None:
    answer, end = offer(server, data)
    assert answer == b"" or (answer[0] == ALERT and len(answer) == 7)
    assert end is not None


def client_hello(size_bytes: int) -> bytes:
    """Return a ClientHello of Python's, in records, with an extension of nobody's that makes it so large."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()[5:]
    # Handshake header, version, random; then session, suites and compression, each behind its length.
    at = 4 + 2 + 32
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at]
    padding_bytes = size_bytes - len(hello) - 4
    extensions = hello[at + 2 :] + struct.pack("!HH", GREASE, padding_bytes) + bytes(padding_bytes)
    body = hello[4:at] + struct.pack("!H", len(extensions)) + extensions
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    assert len(message) == size_bytes
    pieces = [message[start : start + 16384] for start in range(0, len(message), 16384)]
    return b"".join(b"\x16\x03\x01" + struct.pack("!H", len(piece)) + piece for piece in pieces)


def test_a_large_hello_is_answered(server: Server) -> None:
    with Wire(server.address) as wire:
        wire.send(client_hello(60 * KIB))
        assert wire.receive()[0] == HANDSHAKE


def test_a_hello_of_64_kib_is_refused(server: Server) -> None:
    mark = server.log_mark()
    # Without a FIN, as for plain HTTP.
    with Wire(server.address) as wire, suppress(OSError):
        wire.send(client_hello(64 * KIB))
        wire.read_to_end()
    server.wait_for_log("the handshake is larger than 65536 bytes", since=mark)


def test_ten_thousand_random_records(server: Server) -> None:
    numbers = random.Random(9)
    for _ in range(CONNECTIONS):
        answer, _ = offer(server, b"".join(random_record(numbers) for _ in range(STRINGS // CONNECTIONS)))
        assert not answer.startswith(b"HTTP")


def random_record(numbers: random.Random) -> bytes:
    """Return a string that is a record as far as its first bytes go, or not even that."""
    content = numbers.randbytes(numbers.randrange(200))
    if numbers.random() < 0.1:
        return content
    kind = numbers.choice((HANDSHAKE, HANDSHAKE, HANDSHAKE, ALERT, CHANGE_CIPHER_SPEC, APPLICATION_DATA))
    length = len(content) if numbers.random() < 0.9 else numbers.randrange(1 << 16)
    return bytes((kind, 3, numbers.randrange(5))) + struct.pack("!H", length) + content


# Beneath the session.

Attack = Callable[[RecordClient], None]


def records(*contents: tuple[int, bytes], fin: bool = False) -> Attack:
    """Send authentic records of these types, and FIN where OpenSSL goes on: it refuses in words, or waits for more."""

    def attack(client: RecordClient) -> None:
        client.sock.sendall(b"".join(client.seal(content, content_type) for content_type, content in contents))
        if fin:
            client.sock.shutdown(socket.SHUT_WR)

    return attack


def raw(data: bytes) -> Attack:
    """Send bytes beneath the session."""

    def attack(client: RecordClient) -> None:
        client.sock.sendall(data)

    return attack


def forged(client: RecordClient) -> None:
    """Send a record whose last bit is wrong."""
    record = client.seal(request("/file"))
    client.sock.sendall(record[:-1] + bytes((record[-1] ^ 1,)))


def repeated(client: RecordClient) -> None:
    """Send a record twice."""
    record = client.seal(request("/file", method="HEAD"))
    client.sock.sendall(record + record)


def left_out(client: RecordClient) -> None:
    """Send the second record without the first."""
    client.seal(b"GET ")
    client.send(request("/file"))


def cut(client: RecordClient) -> None:
    """Send a part of a record, then FIN."""
    client.sock.sendall(client.seal(request("/file"))[:-7])
    client.sock.shutdown(socket.SHUT_WR)


ATTACKS: dict[str, Attack] = {
    "garbage": raw(random.Random(1).randbytes(4096)),
    "plain HTTP": raw(request("/file")),
    "a record too long": raw(b"\x17\x03\x03\xff\xff" + bytes(65535)),
    "an empty record in clear": raw(b"\x17\x03\x03\x00\x00"),
    "random ciphertext": raw(b"\x17\x03\x03\x02\x00" + random.Random(2).randbytes(512)),
    "a wrong bit": forged,
    "a repeated record": repeated,
    "a record left out": left_out,
    "a record cut by FIN": cut,
    "a fatal alert": records((ALERT, b"\x02\x28")),
    "a fatal alert in clear": raw(b"\x15\x03\x03\x00\x02\x02\x28"),
    "half an alert": records((ALERT, b"\x02")),
    "a long alert": records((ALERT, b"\x01\x00\x00")),
    "ChangeCipherSpec": records((CHANGE_CIPHER_SPEC, b"\x01")),
    "a heartbeat": records((HEARTBEAT, b"\x01\xff\xff")),
    "an unknown type": records((UNKNOWN, b"?")),
    "ClientHello": records((HANDSHAKE, client_hello(4 * KIB)[5:]), fin=True),
    "a large ClientHello": records((HANDSHAKE, client_hello(16 * KIB)[5:]), fin=True),
    "half a handshake message": records((HANDSHAKE, b"\x18\x00"), fin=True),
    "a flood of empty records": records(*[(APPLICATION_DATA, b"")] * 1000),
    "a flood of alerts": records(*[(ALERT, b"\x01\x5a")] * 1000),
}


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_session_that_breaks_the_protocol_ends(server: Server, attack: str, version: str) -> None:
    with RecordClient(server, version=version) as client:
        # The session is established on both sides.
        assert client.get("/file").body == CONTENT
        with suppress(ConnectionResetError, BrokenPipeError):
            ATTACKS[attack](client)
        # The client does nothing more: it is the server that ends this.
        try:
            assert CONTENT not in client.read_to_end()
        except ssl.SSLError:
            # An alert, or one in clear that is none here; what counts is that nothing follows.
            return
        assert client.end is not None


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_close_notify_and_silence(server: Server, version: str) -> None:
    (worker,) = server.worker_pids()
    before = descriptors(worker)
    with RecordClient(server, version=version) as client:
        assert client.get("/file").body == CONTENT
        client.send_close_notify()
        assert client.read_to_end() == b""
        assert client.end is End.CLOSE_NOTIFY
        # The client keeps its side open; the server has waited long enough for it.
        wait_until(lambda: descriptors(worker) == before, "the descriptor given back")


def test_a_renegotiation_harms_nobody(server: Server) -> None:
    mark = server.log_mark()
    with SClient(server, Choice("1.2", "AES-128-GCM")) as client:
        client.send(request("/file"))
        client.read_until(lambda: client.received.endswith(CONTENT), "the reply")
        client.command("R")
        # Where OpenSSL receives, it refuses in words that nobody sends: s_client waits, and is ended.
        if "requests are decrypted by the kernel" in server.log():
            server.wait_for_log("connection ends: a handshake message that isn't KeyUpdate", since=mark)


# At the handshake's timeout.


@pytest.mark.parametrize("part", ["nothing", "half a hello", "a hello"])
def test_a_handshake_that_stalls_is_ended(hasty: Server, part: str) -> None:
    hello = client_hello(4 * KIB)
    (worker,) = hasty.worker_pids()
    before = descriptors(worker)
    with Wire(hasty.address) as wire:
        wire.send({"nothing": b"", "half a hello": hello[: 2 * KIB], "a hello": hello}[part])
        assert (wire.read_to_end() != b"") == (part == "a hello")
        assert wire.end is End.RESET
        wait_until(lambda: descriptors(worker) == before, "the descriptor given back")
    hasty.require_no_bug()
