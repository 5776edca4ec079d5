"""Never a byte in clear: what is captured on the loopback is TLS records to the last byte, and says nothing.

The capture would see it: a server without its sending key is caught.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.capture import Capture
from tests.support.mutant_server import mutant
from tests.support.record_protection import ALERT, APPLICATION_DATA, HANDSHAKE, split_records
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import End, TlsWire, client_context, request

CHANGE_CIPHER_SPEC = 20
SERVER_HELLO = 2
MARKER = b"nobody else may read this; "
# The server's certificate, which TLS 1.2 sends in clear, names the program: its header must say something else.
SERVER_HEADER = "a header that nobody else may read"
# Each is eight bytes or longer: of four, random bytes by the MiB would hold one by chance now and then.
IN_CLEAR = (MARKER, SERVER_HEADER.encode(), b"HTTP/1.1", b"Content-Length", b"\r\nETag: ")
FILES = {"/small": MARKER * 10, "/large": MARKER * 40_000}
EXPLICIT_NONCE_BYTES = 8


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    for path, content in FILES.items():
        (folder / path[1:]).write_bytes(content)
    return folder


@pytest.fixture(scope="module", params=["kernel", "openssl"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    settings = {"tls.receive": request.param, "http.server_header": SERVER_HEADER}
    with Server(tmp_path_factory.mktemp("server"), root, tls="kernel", settings=settings) as running:
        yield running


def connect(server: Server, version: str, cipher: str = "") -> TlsWire:
    context = client_context(server)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[f"TLSv{version.replace('.', '_')}"]
    if cipher:
        context.set_ciphers(cipher)
    return TlsWire(server.address, context)


def converse(wire: TlsWire) -> None:
    """Have a conversation with all kinds of replies, and an orderly end."""
    for path, content in FILES.items():
        # The second time the reply comes from the memory of the first.
        for _ in range(2):
            response = wire.get(path)
            assert (response.status, response.body) == (200, content)
    assert wire.get("/small", method="HEAD").status == 200
    assert wire.get("/small", "Range: bytes=3-17").body == FILES["/small"][3:18]
    assert wire.get("/nothing-here").status == 404
    assert wire.get("/small", "Connection: close").body == FILES["/small"]
    assert wire.read_to_end() == b""
    assert wire.end is End.CLOSE_NOTIFY


def captured(server: Server, version: str, cipher: str = "") -> tuple[Capture, bytes]:
    """Capture one conversation; return all packets, and the stream of its connection."""
    with Capture(server.port) as capture, connect(server, version, cipher) as wire:
        port = wire.sock.getsockname()[1]
        converse(wire)
        capture.stop()
    return capture, capture.stream(port)


def require_silence(payloads: list[bytes]) -> None:
    """Fail if anything that should be encrypted can be read."""
    for payload in payloads:
        for text in IN_CLEAR:
            assert text not in payload


def protected(stream: bytes, version: str) -> list[bytes]:
    """Return the records behind the switch to encryption; fail if the stream isn't records as they should be."""
    records = split_records(stream)
    types = [record[0] for record in records]
    first = types.index(CHANGE_CIPHER_SPEC)
    assert records[0][5] == SERVER_HELLO
    assert set(types[:first]) == {HANDSHAKE}
    assert {record[1:3] for record in records} == {b"\x03\x03"}
    sealed = types[first + 1 :]
    if version == "1.3":
        # The rest of the handshake, tickets, data and alerts all look alike (RFC 8446 section 5.2).
        assert set(sealed) == {APPLICATION_DATA}
    else:
        assert sealed[0] == HANDSHAKE
        assert set(sealed[1:-1]) == {APPLICATION_DATA}
        assert sealed[-1] == ALERT
    return records[first + 1 :]


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_what_is_sent_is_records_to_the_last_byte(server: Server, version: str) -> None:
    capture, stream = captured(server, version)
    content_bytes = 2 * sum(map(len, FILES.values()))
    assert sum(map(len, protected(stream, version))) > content_bytes
    assert sum(map(len, capture.payloads)) >= len(stream)
    require_silence([*capture.payloads, stream])


@pytest.mark.parametrize("cipher", ["AES128-GCM", "AES256-GCM"])
def test_no_nonce_is_sent_twice(server: Server, cipher: str) -> None:
    suite = {"AES128-GCM": "ECDHE-ECDSA-AES128-GCM-SHA256", "AES256-GCM": "ECDHE-ECDSA-AES256-GCM-SHA384"}[cipher]
    _, stream = captured(server, "1.2", suite)
    nonces = [record[5 : 5 + EXPLICIT_NONCE_BYTES] for record in protected(stream, "1.2")]
    assert len(set(nonces)) == len(nonces)
    # The first is OpenSSL's Finished; the kernel counts on from where it was told to begin.
    numbers = [int.from_bytes(nonce, "big") for nonce in nonces[1:]]
    assert len(numbers) > sum(map(len, FILES.values())) // 16384
    assert numbers == [(numbers[0] + step) % 2**64 for step in range(len(numbers))]


def test_a_cut_session_leaves_nothing_in_clear(server: Server) -> None:
    # A client that breaks the protocol amid a download, and one that vanishes.
    before = server.sockets()
    with Capture(server.port) as capture:
        for vanish in (False, True):
            with connect(server, "1.3") as wire:
                wire.send(request("/large") * 20)
                wire.await_beginning()
                if vanish:
                    wire.reset()
                else:
                    wire.sock.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
                    with suppress(ssl.SSLError):
                        wire.read_to_end()
        wait_until(lambda: server.sockets() <= before, "the connections' end")
        capture.stop()
    assert capture.payloads
    require_silence(capture.payloads)


def test_the_capture_sees_what_is_in_clear(tmp_path: Path, root: Path) -> None:
    settings = {"http.server_header": SERVER_HEADER}
    with (
        Server(tmp_path, root, tls="kernel", settings=settings, program=mutant("no sending key")) as server,
        Capture(server.port) as capture,
        connect(server, "1.3") as wire,
    ):
        port = wire.sock.getsockname()[1]
        wire.send(request("/small"))
        with pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"):
            wire.receive()
        capture.stop()
        for text in IN_CLEAR:
            assert text in capture.stream(port)
        with pytest.raises(AssertionError):
            require_silence(capture.payloads)
