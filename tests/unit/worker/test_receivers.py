from __future__ import annotations

import errno
import gc
import socket
import weakref
from collections.abc import Iterator
from functools import partial

import pytest
from OpenSSL import SSL

from ktlsserve.errors import KeyUpdateUnsupported, PeerViolation, RxKeyError
from ktlsserve.tls.crypto_info import pack_crypto_info
from ktlsserve.tls.handshake import DirectionKeys, Established, Handshake
from ktlsserve.tls.key_schedule import tls13_next_secret, tls13_traffic_keys
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME, TlsVersion
from ktlsserve.worker.kernel_keys import KernelKeys
from ktlsserve.worker.receivers import KernelReceiver, OpensslReceiver, Receiver, SocketReceiver
from ktlsserve.worker.senders import discard_output
from tests.support.fake_ktls import FakeKtlsSocket
from tests.support.record_protection import ALERT, APPLICATION_DATA, HANDSHAKE, RecordProtection
from tests.support.tcp_pair import tcp_pair
from tests.support.tls_client import MemoryClient, Wishes, drain, shake_hands
from tests.support.tls_server import established, new_handshake

SUITE = SUITE_BY_OPENSSL_NAME["TLS_AES_128_GCM_SHA256"]
NOT_REQUESTED = bytes.fromhex("1800000100")
REQUESTED = bytes.fromhex("1800000101")
CLOSE_NOTIFY = b"\x01\x00"
CHANGE_CIPHER_SPEC = 20
MOST = 65536


def holds(receiver: Receiver) -> bool:
    return receiver.buffered


def test_a_plain_receiver_is_the_sockets_own() -> None:
    with tcp_pair() as (server, client):
        receiver = SocketReceiver(server)
        assert not holds(receiver)
        for read in (receiver.recv, receiver.recv_held):
            with pytest.raises(BlockingIOError):
                read(MOST)
        client.sendall(b"data")
        client.close()
        assert [receiver.recv(3), receiver.recv(3), receiver.recv(3)] == [b"dat", b"a", b""]


# Kernel.


def new_receiver(fake: FakeKtlsSocket, *, can_rekey: bool = True, max_key_updates: int = 16) -> KernelReceiver:
    tx, rx = (DirectionKeys(tls13_traffic_keys(SUITE, side * 32), side * 32, 0) for side in (b"t", b"r"))
    keys = KernelKeys(fake.sock, SUITE, tx, rx, can_rekey=can_rekey, max_key_updates=max_key_updates)
    keys.install_tx()
    keys.install_rx()
    fake.calls.clear()
    return KernelReceiver(fake.sock, keys)


def test_data_is_returned_as_it_comes() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    with pytest.raises(BlockingIOError):
        receiver.recv(MOST)
    fake.feed_plain((APPLICATION_DATA, b"one"), (APPLICATION_DATA, b"two"))
    assert receiver.recv(4) == b"onet"
    assert receiver.recv(4) == b"wo"
    assert not holds(receiver)


def test_data_comes_before_the_control_record_behind_it() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain((APPLICATION_DATA, b"data"), (ALERT, CLOSE_NOTIFY), (APPLICATION_DATA, b"never"))
    assert receiver.recv(MOST) == b"data"
    assert receiver.recv(MOST) == b""


# What follows data, where keys can change: a KeyUpdate that the kernel has decrypted along with it is hidden from poll.


@pytest.mark.parametrize("can_rekey", [True, False])
def test_what_follows_data_is_read_at_once_where_keys_can_change(can_rekey: bool) -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake, can_rekey=can_rekey)
    fake.feed_plain((APPLICATION_DATA, b"first"), (HANDSHAKE, REQUESTED), (APPLICATION_DATA, b"second"))
    assert receiver.recv(MOST) == (b"firstsecond" if can_rekey else b"first")
    assert not holds(receiver)
    assert fake.names() == (["rx"] if can_rekey else [])
    assert receiver._keys.update_owed == can_rekey


def is_buffered(receiver: KernelReceiver) -> bool:
    """Ask anew: what an attribute was a line ago says nothing."""
    return receiver.buffered


def test_an_end_behind_data_is_kept_for_the_next_read() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain((APPLICATION_DATA, b"data"), (ALERT, CLOSE_NOTIFY))
    assert receiver.recv(MOST) == b"data"
    assert holds(receiver)
    assert receiver.recv_held(MOST) == b""
    assert not holds(receiver)
    with pytest.raises(BlockingIOError):
        receiver.recv_held(MOST)


@pytest.mark.parametrize(
    ("behind", "fault", "error"),
    [
        (((HANDSHAKE, b"nonsense"),), 0, PeerViolation),
        (((ALERT, b"\x02\x28"),), 0, PeerViolation),
        ((), errno.EBADMSG, PeerViolation),
        ((), errno.ECONNRESET, ConnectionResetError),
    ],
)
@pytest.mark.parametrize("by", ["recv", "recv_held"])
def test_a_fault_behind_data_is_told_after_the_data(
    behind: tuple[tuple[int, bytes], ...], fault: int, error: type[Exception], by: str
) -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain((APPLICATION_DATA, b"data"), *behind)
    if fault:
        fake.fail(fault)
    assert receiver.recv(MOST) == b"data"
    assert holds(receiver)
    with pytest.raises(error):
        getattr(receiver, by)(MOST)
    assert not holds(receiver)


def test_a_key_that_is_refused_behind_data_is_told_after_the_data() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.refuse = {"rx": errno.EBUSY}
    fake.feed_plain((APPLICATION_DATA, b"data"), (HANDSHAKE, NOT_REQUESTED))
    assert receiver.recv(MOST) == b"data"
    with pytest.raises(RxKeyError):
        receiver.recv(MOST)


def test_no_more_is_read_than_was_asked_for() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain(*[(APPLICATION_DATA, bytes(16384))] * 6, (ALERT, CLOSE_NOTIFY))
    assert [len(receiver.recv(MOST)) for _ in range(2)] == [4 * 16384, 2 * 16384]
    assert receiver.recv(MOST) == b""


@pytest.mark.parametrize("level", [1, 2])
def test_close_notify_ends_the_stream_as_fin_does(level: int) -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain((ALERT, bytes((level, 0))))
    assert receiver.recv(MOST) == b""
    fake.ended = True
    assert receiver.recv(MOST) == b""


@pytest.mark.parametrize(
    ("content", "words"), [(b"\x02\x28", "alert 40"), (b"\x01\x5a", "alert 90"), (b"\x02", "1 bytes")]
)
def test_other_alerts_end_the_connection(content: bytes, words: str) -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain((ALERT, content))
    with pytest.raises(PeerViolation, match=words):
        receiver.recv(MOST)


def test_a_control_record_is_read_at_once() -> None:
    """Not when poll tells of it again: after a KeyUpdate it never does (Linux 6.14 and later)."""
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain((HANDSHAKE, NOT_REQUESTED), (APPLICATION_DATA, b"under the next key"))
    assert receiver.recv(MOST) == b"under the next key"
    assert fake.names() == ["rx"]


def test_a_key_update_and_nothing_behind_it_is_no_end() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain((HANDSHAKE, REQUESTED))
    with pytest.raises(BlockingIOError):
        receiver.recv(MOST)
    assert fake.names() == ["rx"]


def test_an_empty_record_is_no_end() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain((APPLICATION_DATA, b""), (HANDSHAKE, NOT_REQUESTED), (APPLICATION_DATA, b"data"))
    assert receiver.recv(MOST) == b"data"
    fake.feed_plain((APPLICATION_DATA, b""), (ALERT, CLOSE_NOTIFY))
    assert receiver.recv(MOST) == b""


def test_empty_records_are_bounded() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake, max_key_updates=1000)
    fake.feed_plain(*((APPLICATION_DATA, b""), (HANDSHAKE, NOT_REQUESTED)) * 40)
    with pytest.raises(PeerViolation, match="records without data in a row"):
        receiver.recv(MOST)


def test_key_updates_are_bounded() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake, max_key_updates=2)
    fake.feed_plain(*[(HANDSHAKE, NOT_REQUESTED)] * 3)
    with pytest.raises(PeerViolation, match="too many KeyUpdates"):
        receiver.recv(MOST)


@pytest.mark.parametrize("record_type", [CHANGE_CIPHER_SPEC, 24, 255])
def test_other_records_end_the_connection(record_type: int) -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain((record_type, b"\x01"))
    with pytest.raises(PeerViolation, match=f"a record of type {record_type}"):
        receiver.recv(MOST)


def test_an_update_that_the_kernel_can_not_follow() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake, can_rekey=False)
    fake.feed_plain((HANDSHAKE, NOT_REQUESTED))
    assert receiver.recv(MOST) == b""
    fake.feed_plain((HANDSHAKE, REQUESTED))
    with pytest.raises(KeyUpdateUnsupported):
        receiver.recv(MOST)


def test_a_next_key_that_the_kernel_refuses() -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.refuse = {"rx": errno.EBUSY}
    fake.feed_plain((HANDSHAKE, NOT_REQUESTED))
    with pytest.raises(RxKeyError):
        receiver.recv(MOST)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EBADMSG, "doesn't authenticate"),
        (errno.EMSGSIZE, "too large"),
        (errno.EINVAL, "no TLS record"),
        (errno.EKEYEXPIRED, "KeyUpdate that was not taken"),
    ],
)
@pytest.mark.parametrize("before", [(), ((HANDSHAKE, NOT_REQUESTED),)])
def test_a_bad_record_is_the_peers_fault(code: int, words: str, before: tuple[tuple[int, bytes], ...]) -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain(*before)
    fake.fail(code)
    with pytest.raises(PeerViolation, match=words):
        receiver.recv(MOST)


@pytest.mark.parametrize("code", [errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH])
@pytest.mark.parametrize("before", [(), ((HANDSHAKE, NOT_REQUESTED),)])
def test_what_the_network_does_is_not(code: int, before: tuple[tuple[int, bytes], ...]) -> None:
    fake = FakeKtlsSocket()
    receiver = new_receiver(fake)
    fake.feed_plain(*before)
    fake.fail(code)
    with pytest.raises(OSError, match=r"\[Errno") as caught:
        receiver.recv(MOST)
    assert caught.value.errno == code
    assert caught.value.__cause__ is None


def test_the_kernels_receiver_understands_openssl() -> None:
    """Requests and KeyUpdates that OpenSSL's client makes, opened by the model of the kernel."""
    client, handshake = MemoryClient(Wishes(suite=SUITE)), new_handshake()
    shake_hands(client, handshake)
    result = established(handshake)
    assert result.tx is not None
    assert result.rx is not None
    fake = FakeKtlsSocket()
    keys = KernelKeys(fake.sock, SUITE, result.tx, result.rx, can_rekey=True, max_key_updates=16)
    keys.install_tx()
    keys.install_rx()
    receiver = KernelReceiver(fake.sock, keys)
    fake.feed(client.send(b"first"))
    assert receiver.recv(MOST) == b"first"
    # The client is asked for an update; its answer comes in front of the next data.
    assert fake.tx is not None
    client.recv(fake.tx.seal(REQUESTED, HANDSHAKE))
    fake.feed(client.send(b"second"))
    assert receiver.recv(MOST) == b"second"
    client.connection.shutdown()
    fake.feed(client.data_to_send())
    assert receiver.recv(MOST) == b""


# OpenSSL.


class Peer:
    """A client over a real connection whose TLS is in this test's hands, and the receiver under test."""

    def __init__(self, version: TlsVersion, ends: tuple[socket.socket, socket.socket], *, max_key_updates: int) -> None:
        self.client = MemoryClient(Wishes(version=version))
        self.handshake: Handshake = new_handshake()
        shake_hands(self.client, self.handshake)
        self.result: Established = established(self.handshake)
        self.server_end, self.end = ends
        self.emitted: list[bytes] = []
        self.receiver = OpensslReceiver(self.server_end, self.handshake.connection, self.emit, max_key_updates)
        rx = self.result.rx
        assert rx is not None
        self._secret = rx.secret
        self._seal = RecordProtection(pack_crypto_info(rx.keys, rx.rec_seq)).seal

    def emit(self) -> None:
        self.emitted.append(drain(self.handshake.connection))

    def update(self, content: bytes = NOT_REQUESTED) -> bytes:
        """Return a KeyUpdate record, and go on with the next key: pyOpenSSL's client can't be asked for one."""
        record = self._seal(content, HANDSHAKE)
        assert self._secret is not None
        self._secret = tls13_next_secret(self.result.suite, self._secret)
        self._seal = RecordProtection(pack_crypto_info(tls13_traffic_keys(self.result.suite, self._secret), 0)).seal
        return record

    def renegotiation(self) -> bytes:
        """Return a ClientHello under the present key (TLS 1.2)."""
        self.client.connection.renegotiate()
        with pytest.raises(SSL.WantReadError):
            self.client.connection.do_handshake()
        return self.client.data_to_send()

    def data(self, content: bytes) -> bytes:
        """Return a data record under the present key."""
        return self._seal(content)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    with tcp_pair() as pair:
        yield pair


@pytest.mark.parametrize("version", TlsVersion)
def test_openssl_decrypts_what_the_socket_yields(
    version: TlsVersion, ends: tuple[socket.socket, socket.socket]
) -> None:
    peer = Peer(version, ends, max_key_updates=16)
    assert not holds(peer.receiver)
    with pytest.raises(BlockingIOError):
        peer.receiver.recv(MOST)
    assert not holds(peer.receiver)
    first, second = peer.data(b"first"), peer.data(b"second")
    peer.end.sendall(first + second[:7])
    assert peer.receiver.recv(MOST) == b"first"
    # More may lie in userspace, where epoll can't see it.
    assert holds(peer.receiver)
    with pytest.raises(BlockingIOError):
        peer.receiver.recv(MOST)
    assert not holds(peer.receiver)
    peer.end.sendall(second[7:])
    assert peer.receiver.recv(3) == b"sec"
    assert holds(peer.receiver)
    assert peer.receiver.recv(MOST) == b"ond"
    # All is read, and epoll is enough: nobody needs to ask again.
    assert not holds(peer.receiver)


@pytest.mark.parametrize("version", TlsVersion)
def test_records_that_came_with_the_handshake_are_found(
    version: TlsVersion, ends: tuple[socket.socket, socket.socket]
) -> None:
    peer = Peer(version, ends, max_key_updates=16)
    connection = peer.handshake.connection
    connection.bio_write(peer.data(b"early"))
    receiver = OpensslReceiver(peer.server_end, connection, peer.emit, 16)
    assert holds(receiver)
    assert receiver.recv_held(MOST) == b"early"
    assert not holds(receiver)


@pytest.mark.parametrize("version", TlsVersion)
def test_what_is_held_is_told_from_what_the_socket_has(
    version: TlsVersion, ends: tuple[socket.socket, socket.socket]
) -> None:
    peer = Peer(version, ends, max_key_updates=16)
    first, second, third = (peer.data(content) for content in (b"first", b"second", b"third"))
    peer.end.sendall(first + second)
    with pytest.raises(BlockingIOError):
        peer.receiver.recv_held(MOST)
    assert not holds(peer.receiver)
    assert peer.receiver.recv(MOST) == b"first"
    peer.end.sendall(third)
    assert holds(peer.receiver)
    assert peer.receiver.recv_held(MOST) == b"second"
    # The third is in the socket: that is for epoll to tell.
    with pytest.raises(BlockingIOError):
        peer.receiver.recv_held(MOST)
    assert not holds(peer.receiver)
    assert peer.receiver.recv(MOST) == b"third"


@pytest.mark.parametrize("version", TlsVersion)
def test_both_kinds_of_end_are_an_end(version: TlsVersion, ends: tuple[socket.socket, socket.socket]) -> None:
    peer = Peer(version, ends, max_key_updates=16)
    peer.client.connection.shutdown()
    peer.end.sendall(peer.client.data_to_send())
    assert peer.receiver.recv(MOST) == b""
    assert peer.receiver.recv(MOST) == b""
    with tcp_pair() as other:
        peer = Peer(version, other, max_key_updates=16)
        peer.end.close()
        assert peer.receiver.recv(MOST) == b""


def test_a_record_that_does_not_authenticate(ends: tuple[socket.socket, socket.socket]) -> None:
    peer = Peer(TlsVersion.TLS1_3, ends, max_key_updates=16)
    peer.end.sendall(peer.data(b"damaged")[:-1] + b"?")
    with pytest.raises(PeerViolation, match=r"bad record mac|decryption failed"):
        peer.receiver.recv(MOST)
    # The alert was put out, for whoever may send it.
    assert peer.emitted[-1][0] == APPLICATION_DATA


def test_an_alert_of_the_peer_is_named(ends: tuple[socket.socket, socket.socket]) -> None:
    peer = Peer(TlsVersion.TLS1_3, ends, max_key_updates=16)
    peer.end.sendall(peer._seal(b"\x02\x50", ALERT))
    with pytest.raises(PeerViolation, match="alert internal error"):
        peer.receiver.recv(MOST)


def test_a_reset_is_an_error_of_the_network(ends: tuple[socket.socket, socket.socket]) -> None:
    peer = Peer(TlsVersion.TLS1_3, ends, max_key_updates=16)
    peer.end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.end.close()
    with pytest.raises(ConnectionResetError):
        peer.receiver.recv(MOST)


@pytest.mark.parametrize("allowed", [0, 1, 3])
@pytest.mark.parametrize("content", [NOT_REQUESTED, REQUESTED])
def test_openssls_key_updates_are_counted(
    allowed: int, content: bytes, ends: tuple[socket.socket, socket.socket]
) -> None:
    peer = Peer(TlsVersion.TLS1_3, ends, max_key_updates=allowed)
    for number in range(allowed):
        peer.end.sendall(peer.update(content) + peer.data(b"%d" % number))
        assert peer.receiver.recv(MOST) == b"%d" % number
    peer.end.sendall(peer.update(content))
    with pytest.raises(PeerViolation, match="too many KeyUpdates"):
        peer.receiver.recv(MOST)


def test_each_key_update_is_noted_for_who_answers_it(ends: tuple[socket.socket, socket.socket]) -> None:
    peer = Peer(TlsVersion.TLS1_3, ends, max_key_updates=16)
    connection, noted = peer.handshake.connection, []
    receiver = OpensslReceiver(
        peer.server_end, connection, partial(discard_output, connection), 16, lambda: noted.append(1)
    )
    for number in range(3):
        peer.end.sendall(peer.update(REQUESTED) + peer.data(b"data"))
        assert receiver.recv(MOST) == b"data"
        assert len(noted) == number + 1


def test_a_flood_in_one_piece_is_noticed(ends: tuple[socket.socket, socket.socket]) -> None:
    peer = Peer(TlsVersion.TLS1_3, ends, max_key_updates=16)
    peer.end.sendall(b"".join(peer.update() for _ in range(17)))
    with pytest.raises(PeerViolation, match="too many KeyUpdates"):
        peer.receiver.recv(MOST)


def test_data_records_are_not_counted(ends: tuple[socket.socket, socket.socket]) -> None:
    peer = Peer(TlsVersion.TLS1_3, ends, max_key_updates=0)
    for number in range(20):
        peer.end.sendall(peer.data(b"%d" % number))
        assert peer.receiver.recv(MOST) == b"%d" % number


@pytest.mark.parametrize("end", ["update requested", "bad record", "close_notify", "renegotiation"])
def test_where_the_kernel_sends_openssl_never_writes(end: str, ends: tuple[socket.socket, socket.socket]) -> None:
    """Every byte of it would repeat one of the kernel's nonces."""
    version = TlsVersion.TLS1_2 if end == "renegotiation" else TlsVersion.TLS1_3
    peer = Peer(version, ends, max_key_updates=16)
    connection = peer.handshake.connection
    receiver = OpensslReceiver(peer.server_end, connection, partial(discard_output, connection), 16)
    match end:
        case "update requested":
            peer.end.sendall(peer.update(REQUESTED) + peer.data(b"data"))
        case "bad record":
            peer.end.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        case "close_notify":
            peer.end.sendall(peer._seal(CLOSE_NOTIFY, ALERT))
        case "renegotiation":
            peer.end.sendall(peer.renegotiation())
    peer.end.setblocking(False)
    for _ in range(3):
        try:
            receiver.recv(MOST)
        except (PeerViolation, BlockingIOError):
            continue
    assert drain(connection) == b""
    with pytest.raises(BlockingIOError):
        peer.end.recv(1)


def test_what_openssl_says_is_passed_on_after_every_read(ends: tuple[socket.socket, socket.socket]) -> None:
    peer = Peer(TlsVersion.TLS1_2, ends, max_key_updates=16)
    peer.end.sendall(peer.renegotiation())
    with pytest.raises(BlockingIOError):
        peer.receiver.recv(MOST)
    # no_renegotiation, encrypted.
    assert any(peer.emitted)


def test_a_receiver_needs_no_garbage_collector(ends: tuple[socket.socket, socket.socket]) -> None:
    """OpenSSL's objects have 50 KiB each: they go when their connection goes."""

    class Watched(OpensslReceiver):
        pass

    gc.collect()
    gc.disable()
    try:
        connection = new_handshake().connection
        receiver = Watched(ends[0], connection, partial(discard_output, connection), 16)
        gone = weakref.ref(receiver), weakref.ref(connection)
        del receiver, connection
        assert [reference() for reference in gone] == [None, None]
    finally:
        gc.enable()
