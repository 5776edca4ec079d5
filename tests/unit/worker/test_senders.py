from __future__ import annotations

import os
import select
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterator

import pytest
from OpenSSL import SSL

from ktlsserve.tls.handshake import DirectionKeys, Handshake
from ktlsserve.tls.key_schedule import tls13_traffic_keys
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME, TlsVersion
from ktlsserve.worker import kernel_keys, senders
from ktlsserve.worker.kernel_keys import KernelKeys
from ktlsserve.worker.senders import KernelSender, OpensslSender, SocketSender, discard_output
from tests.support.fake_ktls import Call, FakeKtlsSocket
from tests.support.record_protection import ALERT, HANDSHAKE, split_records
from tests.support.tcp_pair import read_exactly, tcp_pair
from tests.support.tls_client import MemoryClient, Wishes, drain, shake_hands
from tests.support.tls_server import new_handshake

SUITE = SUITE_BY_OPENSSL_NAME["TLS_AES_128_GCM_SHA256"]
KEY_UPDATE = bytes.fromhex("1800000100")
KEY_UPDATE_REQUESTED = bytes.fromhex("1800000101")
CONTENT = os.urandom(3 << 20)

Sendable = Callable[[KernelSender], int | None]


@pytest.fixture(scope="module")
def file() -> Iterator[int]:
    """A descriptor of a file with CONTENT."""
    with tempfile.TemporaryFile() as stream:
        stream.write(CONTENT)
        stream.flush()
        yield stream.fileno()


def fill(send: Callable[[], int]) -> None:
    """Send until that raises."""
    for _ in range(10_000):
        send()


# Plain.


def test_plain_bytes_go_as_they_are(file: int) -> None:
    with tcp_pair() as (server, client):
        sender = SocketSender(server)
        assert sender.send(b"head", following_bytes=4) == 4
        assert sender.send_file(file, 10, 100) == 100
        assert sender.send(memoryview(b"-trailer")[1:], following_bytes=0) == 7
        sender.send_close_notify()
        assert read_exactly(client, 111) == b"head" + CONTENT[10:110] + b"trailer"
        assert (sender.flush(), sender.held_bytes, sender.holds_ciphertext, sender.worn_out) == (0, 0, False, False)


@pytest.mark.parametrize(
    ("following_bytes", "plain_flags", "encrypted_flags"),
    [
        (0, 0, 0),
        (1, socket.MSG_MORE, socket.MSG_MORE),
        (65535, socket.MSG_MORE, socket.MSG_MORE),
        # A long file has records of whole pages: its head goes in one of its own.
        (65536, socket.MSG_MORE, 0),
        (1 << 40, socket.MSG_MORE, 0),
    ],
)
def test_that_bytes_follow_is_told_to_the_socket(following_bytes: int, plain_flags: int, encrypted_flags: int) -> None:
    fake = FakeKtlsSocket()
    plain, encrypted = SocketSender(fake.sock), KernelSender(fake.sock, new_keys(fake))
    for sender, flags in ((plain, plain_flags), (encrypted, encrypted_flags)):
        assert sender.send(b"data", following_bytes=following_bytes) == 4
        assert fake.calls[-1] == Call("send", b"data", flags)


def test_a_full_socket_and_the_end_of_a_file_are_told_apart(file: int) -> None:
    with tcp_pair() as (server, _client):
        sender = SocketSender(server)
        assert sender.send_file(file, len(CONTENT), 10) == 0
        with pytest.raises(BlockingIOError):
            fill(lambda: sender.send_file(file, 0, 1 << 20))


# Kernel.


def new_keys(fake: FakeKtlsSocket, *, can_rekey: bool = True, installed: bool = True) -> KernelKeys:
    tx, rx = (DirectionKeys(tls13_traffic_keys(SUITE, side * 32), side * 32, 0) for side in (b"t", b"r"))
    keys = KernelKeys(fake.sock, SUITE, tx, rx, can_rekey=can_rekey, max_key_updates=16)
    if installed:
        keys.install_tx()
        keys.install_rx()
        fake.calls.clear()
    return keys


def test_close_notify_is_a_control_record() -> None:
    fake = FakeKtlsSocket()
    sender = KernelSender(fake.sock, new_keys(fake))
    sender.send_close_notify()
    assert fake.calls == [Call("control", b"\x01\x00", ALERT)]


SENDABLES: dict[str, Sendable] = {
    "send": lambda sender: sender.send(b"data", following_bytes=0),
    "send_file": lambda sender: sender.send_file(-1, 0, 10),
    "send_close_notify": lambda sender: sender.send_close_notify(),
}


@pytest.mark.parametrize("name", SENDABLES)
def test_a_key_update_that_is_owed_goes_before_anything_else(name: str) -> None:
    fake = FakeKtlsSocket()
    keys = new_keys(fake)
    sender = KernelSender(fake.sock, keys)
    keys.receive_handshake_record(KEY_UPDATE_REQUESTED)
    fake.calls.clear()
    try:
        SENDABLES[name](sender)
    except OSError:
        # sendfile to a fake has nowhere to go; what came before it is what counts.
        assert name == "send_file"
    assert [call.name for call in fake.calls][:2] == ["control", "tx"]
    assert fake.calls[0] == Call("control", KEY_UPDATE, HANDSHAKE)
    assert not keys.update_owed
    # And goes once.
    fake.calls.clear()
    sender.send(b"more", following_bytes=0)
    assert fake.names() == ["send"]


@pytest.mark.parametrize("name", SENDABLES)
def test_nothing_is_sent_while_the_key_update_finds_no_room(name: str) -> None:
    fake = FakeKtlsSocket()
    keys = new_keys(fake)
    keys.receive_handshake_record(KEY_UPDATE_REQUESTED)
    fake.calls.clear()
    fake.takes = deque([0])
    with pytest.raises(BlockingIOError):
        SENDABLES[name](KernelSender(fake.sock, keys))
    assert fake.calls == []
    assert keys.update_owed


def test_what_a_sender_counts_wears_its_key(monkeypatch: pytest.MonkeyPatch, file: int) -> None:
    monkeypatch.setattr(kernel_keys, "MOST_RECORDS", 6)
    with tcp_pair() as (server, _client):
        for can_rekey in (False, True):
            fake = FakeKtlsSocket(fd=server.fileno())
            keys = new_keys(fake, can_rekey=can_rekey)
            sender = KernelSender(fake.sock, keys)
            sender.send(b"two records at most", following_bytes=4)
            assert (sender.worn_out, keys.update_owed) == (False, False)
            sender.send_file(file, 0, 16384 * 2)
            assert (sender.worn_out, keys.update_owed) == (not can_rekey, can_rekey)


def test_what_has_not_been_acknowledged_has_not_left() -> None:
    with tcp_pair(buffer_bytes=4096) as (server, client):
        sender = KernelSender(server, new_keys(FakeKtlsSocket()))
        assert (sender.flush(), sender.held_bytes) == (0, 0)
        with pytest.raises(BlockingIOError):
            fill(lambda: sender.send(bytes(100_000), following_bytes=0))
        assert sender.flush() > 0
        client.close()


def test_the_kernels_sender_speaks_with_openssl() -> None:
    """All that it says, KeyUpdate included, through the model of the kernel to a client of OpenSSL's."""
    client, handshake = MemoryClient(Wishes(suite=SUITE)), new_handshake()
    shake_hands(client, handshake)
    result = handshake.established
    assert result is not None
    assert result.tx is not None
    assert result.rx is not None
    fake = FakeKtlsSocket()
    keys = KernelKeys(fake.sock, SUITE, result.tx, result.rx, can_rekey=True, max_key_updates=16)
    keys.install_tx()
    sender = KernelSender(fake.sock, keys)
    sender.send(b"head, ", following_bytes=4)
    assert fake.wire == b""
    sender.send(b"body, ", following_bytes=0)
    for _ in range(3):
        keys.update_owed = True
        sender.send(b"next key, ", following_bytes=0)
    assert client.recv(fake.wire) == b"head, body, " + b"next key, " * 3
    sent, fake.wire = fake.wire, b""
    assert sent
    sender.send(b"open record", following_bytes=4)
    sender.send_close_notify()
    with pytest.raises(SSL.ZeroReturnError):
        client.recv(fake.wire)


# OpenSSL.


@pytest.fixture(params=list(TlsVersion), ids=lambda version: version.label)
def pair(request: pytest.FixtureRequest) -> tuple[MemoryClient, Handshake]:
    """A client and a server that have shaken hands."""
    client, handshake = MemoryClient(Wishes(version=request.param)), new_handshake()
    shake_hands(client, handshake)
    return client, handshake


def read_plaintext(client: MemoryClient, sock: socket.socket, count: int) -> bytes:
    plaintext = b""
    while len(plaintext) < count:
        data = sock.recv(65536)
        assert data, "the stream ended early"
        plaintext += client.recv(data)
    return plaintext


def test_openssl_encrypts_bytes_and_files(pair: tuple[MemoryClient, Handshake], file: int) -> None:
    client, handshake = pair
    with tcp_pair() as (server, sock):
        sender = OpensslSender(server, handshake.connection)
        assert sender.holds_ciphertext
        assert sender.send(b"head", following_bytes=4) == 4
        assert sender.send_file(file, 5, 20_000) == 20_000
        assert sender.send(memoryview(b"-trailer")[1:], following_bytes=0) == 7
        assert sender.flush() == 0
        assert read_plaintext(client, sock, 20_011) == b"head" + CONTENT[5:20_005] + b"trailer"


def test_a_head_leaves_with_the_file_behind_it(pair: tuple[MemoryClient, Handshake], file: int) -> None:
    client, handshake = pair
    with tcp_pair() as (server, sock):
        sender = OpensslSender(server, handshake.connection)
        assert sender.send(b"head", following_bytes=4) == 4
        assert not select.select([sock], [], [], 0)[0]
        assert sender.held_bytes > 0
        assert sender.send_file(file, 0, 100) == 100
        assert client.recv(sock.recv(65536)) == b"head" + CONTENT[:100]
        # More than is encrypted at a time waits for nothing: what follows it may be far.
        sender.send(memoryview(CONTENT), following_bytes=4)
        assert read_plaintext(client, sock, 10)


def test_a_call_encrypts_a_bounded_part(pair: tuple[MemoryClient, Handshake], file: int) -> None:
    _, handshake = pair
    with tcp_pair() as (server, _sock):
        sender = OpensslSender(server, handshake.connection)
        assert sender.send(CONTENT, following_bytes=0) == senders._ENCRYPT_BYTES
        sender = OpensslSender(server, handshake.connection)
        assert sender.send_file(file, 0, len(CONTENT)) == senders._ENCRYPT_BYTES
        assert sender.send_file(file, len(CONTENT) - 3, 100) == 3


def test_a_file_that_ends_early_yields_nothing(pair: tuple[MemoryClient, Handshake], file: int) -> None:
    _, handshake = pair
    with tcp_pair() as (server, _sock):
        sender = OpensslSender(server, handshake.connection)
        assert sender.send_file(file, len(CONTENT), 1) == 0


def test_nothing_more_is_encrypted_until_all_has_left(pair: tuple[MemoryClient, Handshake], file: int) -> None:
    client, handshake = pair
    with tcp_pair(buffer_bytes=4096) as (server, sock):
        sender = OpensslSender(server, handshake.connection)
        taken = sender.send_file(file, 0, len(CONTENT))
        held = sender.flush()
        assert 0 < held == sender.held_bytes
        with pytest.raises(BlockingIOError):
            sender.send(b"x", following_bytes=0)
        with pytest.raises(BlockingIOError):
            sender.send_file(file, taken, 10)
        # Not one record more was made by the attempts: what is held can only have become less.
        assert sender.held_bytes <= held
        plaintext = b""
        while len(plaintext) < taken:
            plaintext += client.recv(sock.recv(65536))
            sender.flush()
        assert plaintext == CONTENT[:taken]
        assert sender.held_bytes == 0
        assert sender.send(b"on", following_bytes=0) == 2
        assert read_plaintext(client, sock, 2) == b"on"


def test_close_notify_comes_behind_what_is_held(pair: tuple[MemoryClient, Handshake], file: int) -> None:
    client, handshake = pair
    with tcp_pair(buffer_bytes=4096) as (server, sock):
        sender = OpensslSender(server, handshake.connection)
        taken = sender.send_file(file, 0, 200_000)
        sender.send_close_notify()
        wire = b""
        while sender.flush():
            wire += sock.recv(65536)
        server.shutdown(socket.SHUT_WR)
        while data := sock.recv(65536):
            wire += data
        *records, last = split_records(wire)
        assert client.recv(b"".join(records)) == CONTENT[:taken]
        with pytest.raises(SSL.ZeroReturnError):
            client.recv(last)


def test_after_a_violation_the_alert_is_the_last_word(pair: tuple[MemoryClient, Handshake]) -> None:
    client, handshake = pair
    with tcp_pair() as (server, sock):
        sender = OpensslSender(server, handshake.connection)
        damaged = bytearray(client.send(b"damaged"))
        damaged[-1] ^= 1
        handshake.connection.bio_write(bytes(damaged))
        with pytest.raises(SSL.Error, match=r"bad record mac|decryption failed"):
            handshake.connection.recv(10)
        assert sender.held_bytes > 0
        sender.send_close_notify()
        assert sender.flush() == 0
        with pytest.raises(SSL.Error, match="bad record mac"):
            read_plaintext(client, sock, 1)


def test_the_fallback_wears_too(
    pair: tuple[MemoryClient, Handshake], file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(senders, "MOST_RECORDS", 5)
    _, handshake = pair
    with tcp_pair() as (server, _sock):
        sender = OpensslSender(server, handshake.connection)
        sender.send(b"two at most", following_bytes=0)
        assert not sender.worn_out
        sender.send_file(file, 0, 16384)
        assert sender.worn_out


def test_a_socket_that_broke_is_an_error(pair: tuple[MemoryClient, Handshake]) -> None:
    _, handshake = pair
    with tcp_pair() as (server, _sock):
        sender = OpensslSender(server, handshake.connection)
        server.shutdown(socket.SHUT_WR)
        with pytest.raises(BrokenPipeError):
            sender.send(b"data", following_bytes=0)


def test_discarded_output_is_gone(pair: tuple[MemoryClient, Handshake]) -> None:
    _, handshake = pair
    handshake.connection.send(bytes(200_000))
    discard_output(handshake.connection)
    assert drain(handshake.connection) == b""
    discard_output(handshake.connection)
