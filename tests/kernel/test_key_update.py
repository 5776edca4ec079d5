"""KeyUpdate (RFC 8446 section 4.6.3): followed where the kernel can change keys, else the connection ends in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from ktlsserve.kernel.probe import probe_kernel_tls
from tests.support.http_stream import StreamReply, parse_replies
from tests.support.http_stream import request as head
from tests.support.record_client import KEY_UPDATE, RecordClient
from tests.support.record_protection import HANDSHAKE
from tests.support.s_client import SClient
from tests.support.server import Server
from tests.support.tls_counters import counting, read_counters
from tests.support.wire import End

# More than all buffers on the way hold, so that the server is still sending when a KeyUpdate comes.
LARGE_BYTES = 16 << 20
# With segments of 536 bytes the buffers are small too.
MEDIUM_BYTES = 1 << 20
MAX_KEY_UPDATES = 6


@pytest.fixture(scope="module")
def can_rekey() -> bool:
    """Whether this kernel takes another key on a connection that has one."""
    return probe_kernel_tls().rekey


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    pattern = b"".join(number.to_bytes(4, "big") for number in range(1 << 16))
    (root / "large").write_bytes(b"".join(bytes((turn,)) + pattern[1:] for turn in range(LARGE_BYTES // len(pattern))))
    (root / "medium").write_bytes(pattern * (MEDIUM_BYTES // len(pattern)))
    (root / "small").write_bytes(b"small")
    return root


@pytest.fixture(scope="module", params=["kernel", "openssl"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    settings = {"tls.receive": request.param, "tls.max_key_updates": MAX_KEY_UPDATES}
    with Server(tmp_path_factory.mktemp("server"), root, tls="kernel", settings=settings) as server:
        yield server


@pytest.fixture
def receive(server: Server) -> str:
    """Who decrypts what clients send."""
    return "kernel" if "requests are decrypted by the kernel" in server.log() else "openssl"


@pytest.fixture
def follows(can_rekey: bool, receive: str) -> bool:
    """Whether the server can go on reading after a KeyUpdate: OpenSSL always can."""
    return can_rekey or receive == "openssl"


def require_whole(reply: StreamReply, file: Path) -> None:
    assert reply.status == 200
    assert reply.complete
    assert reply.body == file.read_bytes()


def test_s_client_changes_keys_during_a_download(
    server: Server, root: Path, can_rekey: bool, follows: bool, receive: str
) -> None:
    if not follows:
        pytest.skip("this kernel can't change keys: the tests without rekey show what happens then")
    letters = "kKkKK"
    received = 0 if receive == "openssl" else read_counters()["TlsRxRekeyReceived"]
    with counting() as growth, SClient(server) as client:
        client.send(head("/large", close=True))
        client.read_until(lambda: len(client.received) > 100_000, "the beginning of the file")
        for letter in letters:
            client.command(letter)
            if receive == "kernel":
                received += 1
                client.read_until(partial(kernel_has_seen, received), "the kernel's counter of KeyUpdates")
        assert len(client.received) < LARGE_BYTES
        assert client.read_to_end() == 0, client.errors
        (reply,) = parse_replies(bytes(client.received))
    require_whole(reply, root / "large")
    assert growth["TlsDecryptError"] == 0
    assert growth["TlsRxRekeyOk"] == (len(letters) if receive == "kernel" else 0)
    # One KeyUpdate of ours may answer several that ask for it.
    assert bool(growth["TlsTxRekeyOk"]) == can_rekey
    assert growth["TlsTxRekeyOk"] <= len(letters)


@pytest.mark.parametrize("requested", [False, True], ids=["k", "K"])
def test_keys_change_while_buffers_are_full(
    server: Server, root: Path, can_rekey: bool, follows: bool, receive: str, requested: bool
) -> None:
    if not follows:
        pytest.skip("this kernel can't change keys")
    with (
        counting() as growth,
        RecordClient(server, receive_buffer_bytes=4096, max_segment_bytes=536) as client,
    ):
        client.send(head("/medium"))
        body = bytearray()
        for _ in range(MAX_KEY_UPDATES):
            client.sock.sendall(client.update_key(requested=requested))
            limit = len(body) + 50_000
            while len(body) < limit:
                body += client.receive()
        while not (replies := parse_replies(bytes(body))) or not replies[0].complete:
            body += client.receive()
        require_whole(replies[0], root / "medium")
        assert client.get("/small").body == b"small"
        client.half_close()
        assert client.read_to_end() == b""
        assert client.end is End.CLOSE_NOTIFY
    assert growth["TlsDecryptError"] == 0
    assert growth["TlsRxRekeyOk"] == (MAX_KEY_UPDATES if receive == "kernel" else 0)
    answered = can_rekey and (requested or receive == "openssl")
    assert bool(growth["TlsTxRekeyOk"]) == answered
    assert growth["TlsTxRekeyOk"] <= MAX_KEY_UPDATES


def test_without_rekey_a_download_is_finished_before_the_connection_ends(
    server: Server, root: Path, follows: bool
) -> None:
    if follows:
        pytest.skip("this kernel can change keys, or OpenSSL receives")
    mark = server.log_mark()
    with RecordClient(server, receive_buffer_bytes=4096, max_segment_bytes=536) as client:
        client.send(head("/medium"))
        body = client.receive()
        client.sock.sendall(client.update_key(requested=False))
        server.wait_for_log("this kernel can't change keys", since=mark)
        body += client.read_to_end()
        assert client.end is End.CLOSE_NOTIFY
    (reply,) = parse_replies(body)
    require_whole(reply, root / "medium")


def test_without_rekey_a_request_for_our_key_ends_the_connection_in_order(server: Server, follows: bool) -> None:
    if follows:
        pytest.skip("this kernel can change keys, or OpenSSL receives")
    mark = server.log_mark()
    with RecordClient(server, receive_buffer_bytes=4096, max_segment_bytes=536) as client:
        client.send(head("/medium"))
        body = client.receive()
        client.sock.sendall(client.update_key(requested=True))
        server.wait_for_log("this kernel can't change keys", since=mark)
        body += client.read_to_end()
        assert client.end is End.CLOSE_NOTIFY
    (reply,) = parse_replies(body)
    assert not reply.complete


def test_without_rekey_s_client_is_told_the_end(server: Server, root: Path, follows: bool) -> None:
    if follows:
        pytest.skip("this kernel can change keys, or OpenSSL receives")
    mark = server.log_mark()
    with SClient(server) as client:
        client.send(head("/large"))
        client.read_until(lambda: len(client.received) > 100_000, "the beginning of the file")
        client.command("k", until=lambda: "this kernel can't change keys" in server.log()[mark:])
        assert client.read_to_end() == 0, client.errors
        (reply,) = parse_replies(bytes(client.received))
    require_whole(reply, root / "large")


@pytest.mark.parametrize("requested", [False, True], ids=["k", "K"])
def test_an_idle_connection(server: Server, follows: bool, requested: bool) -> None:
    with RecordClient(server) as client:
        assert client.get("/small").body == b"small"
        client.sock.sendall(client.update_key(requested=requested))
        if follows:
            assert client.get("/small").body == b"small"
            client.half_close()
        assert client.read_to_end() == b""
        assert client.end is End.CLOSE_NOTIFY


def test_one_behind_a_request_is_followed_at_once(server: Server, can_rekey: bool, follows: bool) -> None:
    """The kernel decrypts it with the request, and from then on hides from poll that there is anything to read."""
    if not follows:
        pytest.skip("this kernel can't change keys")
    with counting() as growth, RecordClient(server) as client:
        for _ in range(MAX_KEY_UPDATES):
            client.sock.sendall(client.seal(head("/small")) + client.update_key(requested=True))
            assert client.responses(1)[0].body == b"small"
        assert client.get("/small").body == b"small"
    assert bool(growth["TlsTxRekeyOk"]) == can_rekey


def test_as_many_as_configured_and_no_more(server: Server, follows: bool) -> None:
    if not follows:
        pytest.skip("this kernel can't change keys: the first KeyUpdate is the last")
    mark = server.log_mark()
    with RecordClient(server) as other, RecordClient(server) as client:
        assert other.get("/small").body == b"small"
        for number in range(MAX_KEY_UPDATES):
            client.sock.sendall(client.update_key(requested=bool(number % 2)))
            assert client.get("/small").body == b"small"
        client.sock.sendall(client.update_key(requested=False))
        assert client.read_to_end() == b""
        assert client.end in {End.CLOSE_NOTIFY, End.RESET}
        server.wait_for_log("too many KeyUpdates", since=mark)
        assert other.get("/small").body == b"small"


def test_a_flood_ends_one_connection_and_no_other(server: Server, root: Path) -> None:
    with (
        RecordClient(server) as other,
        RecordClient(server, receive_buffer_bytes=4096, max_segment_bytes=536) as client,
    ):
        assert other.get("/small").body == b"small"
        client.send(head("/medium"))
        flood = b"".join(client.update_key(requested=True) for _ in range(1000))
        # The server closes in the middle of it.
        with suppress(ConnectionError):
            client.sock.sendall(flood)
        assert len(client.read_to_end()) < MEDIUM_BYTES
        assert client.end is not None
        assert other.get("/small").body == b"small"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(2 * KEY_UPDATE[False], id="two in one record"),
        pytest.param(KEY_UPDATE[False] + b"\0", id="bytes behind it"),
        pytest.param(bytes.fromhex("1800000102"), id="a request of no meaning"),
        pytest.param(bytes.fromhex("180000020000"), id="too long"),
        pytest.param(bytes.fromhex("0100000400000000"), id="a ClientHello"),
    ],
)
def test_what_only_looks_like_a_key_update_ends_the_connection(server: Server, message: bytes) -> None:
    with counting() as growth, RecordClient(server) as client:
        assert client.get("/small").body == b"small"
        client.send_record(message, HANDSHAKE)
        assert client.read_to_end() == b""
        assert client.end is not None
    assert growth["TlsRxRekeyOk"] == 0


def kernel_has_seen(key_updates: int) -> bool:
    return read_counters()["TlsRxRekeyReceived"] >= key_updates
