from __future__ import annotations

import errno
import itertools
import logging
from collections import deque
from dataclasses import replace

import pytest
from OpenSSL import SSL

from ktlsserve.errors import HandshakeError, TxKeyError, UlpError
from ktlsserve.tls.crypto_info import pack_crypto_info
from ktlsserve.tls.suites import SUITES, Suite, TlsVersion
from ktlsserve.worker.handover import Halves, HandoverPlan, hand_over, prepare
from ktlsserve.worker.receivers import KernelReceiver, OpensslReceiver
from ktlsserve.worker.senders import KernelSender, OpensslSender
from tests.support.fake_ktls import Call, FakeKtlsSocket
from tests.support.record_protection import APPLICATION_DATA, HANDSHAKE, RecordProtection, unpack_crypto_info
from tests.support.tls_client import MemoryClient, Wishes, shake_hands
from tests.support.tls_server import established, new_context, new_handshake, policy

AUTO = HandoverPlan(kernel_sends=True, kernel_receives=True, required=False, can_rekey=True, max_key_updates=16)
REQUIRED = replace(AUTO, required=True)
TX_ONLY = replace(AUTO, kernel_receives=False)
USERSPACE = replace(AUTO, kernel_sends=False, kernel_receives=False)
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


def give(
    fake: FakeKtlsSocket, plan: HandoverPlan = AUTO, wishes: Wishes | None = None, *, capture: bool = True
) -> tuple[MemoryClient, Halves]:
    """Prepare a fake connection, shake hands, and hand it over."""
    prepared = prepare(fake.sock, plan)
    exact = prepared and plan.kernel_receives
    context = None if capture else new_context(terms=policy(capture_secrets=False))
    client, handshake = MemoryClient(wishes), new_handshake(context, exact=exact)
    shake_hands(client, handshake)
    return client, hand_over(fake.sock, handshake, established(handshake), plan, prepared=prepared)


# Preparing.


def test_the_protocol_is_attached_where_the_kernel_will_send() -> None:
    fake = FakeKtlsSocket()
    assert prepare(fake.sock, AUTO)
    assert fake.calls == [Call("ulp", b"tls")]
    assert not prepare(fake.sock, USERSPACE)
    assert fake.names() == ["ulp"]


def test_a_kernel_without_the_protocol_is_the_fallbacks(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeKtlsSocket(refuse={"ulp": errno.ENOENT})
    assert not prepare(fake.sock, AUTO)
    assert [(record.levelname, "modprobe tls" in record.message) for record in caplog.records] == [("WARNING", True)]


def test_a_required_kernel_without_the_protocol_is_an_error() -> None:
    with pytest.raises(UlpError, match="modprobe tls"):
        prepare(FakeKtlsSocket(refuse={"ulp": errno.ENOENT}).sock, REQUIRED)


@pytest.mark.parametrize("plan", [AUTO, REQUIRED])
def test_a_peer_that_has_left_is_no_reason_to_warn(plan: HandoverPlan, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UlpError, match="already closed its side"):
        prepare(FakeKtlsSocket(refuse={"ulp": errno.ENOTCONN}).sock, plan)
    assert caplog.records == []


# Handing over.


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.openssl_name)
def test_both_directions_go_to_the_kernel_with_what_the_handshake_came_to(suite: Suite) -> None:
    fake = FakeKtlsSocket()
    client, halves = give(fake, wishes=Wishes(suite=suite))
    assert fake.names() == ["ulp", "tx", "rx"]
    assert (type(halves.receiver), type(halves.sender), halves.kernel_sends) == (KernelReceiver, KernelSender, True)
    for name in ("tx", "rx"):
        info = unpack_crypto_info(fake.option(name))
        assert (info.version, info.cipher_type) == (suite.version, suite.cipher.value.cipher_type)
    assert unpack_crypto_info(fake.option("tx")).rec_seq == (2 if suite.version is TlsVersion.TLS1_3 else 1)
    # And they are the right ones: the client and the model of the kernel understand each other.
    fake.feed(client.send(REQUEST))
    assert halves.receiver.recv(65536) == REQUEST
    halves.sender.send(b"head, ", following_bytes=4)
    halves.sender.send(b"body", following_bytes=0)
    assert client.recv(fake.wire) == b"head, body"
    fake.wire = b""
    halves.sender.send_close_notify()
    with pytest.raises(SSL.ZeroReturnError):
        client.recv(fake.wire)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.openssl_name)
def test_sending_alone_goes_to_the_kernel_where_it_may_not_receive(suite: Suite) -> None:
    fake = FakeKtlsSocket()
    client, halves = give(fake, TX_ONLY, Wishes(suite=suite))
    assert fake.names() == ["ulp", "tx"]
    assert (type(halves.receiver), type(halves.sender), halves.kernel_sends) == (OpensslReceiver, KernelSender, True)
    halves.sender.send(b"reply", following_bytes=0)
    assert client.recv(fake.wire) == b"reply"


def test_a_request_that_came_with_the_handshake_is_not_lost() -> None:
    """Where OpenSSL receives, reading is greedy; what it has read already is asked for first."""
    fake = FakeKtlsSocket()
    assert prepare(fake.sock, TX_ONLY)
    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_3)), new_handshake(exact=False)
    handshake.receive_data(client.data_to_send())
    client.receive_data(handshake.data_to_send())
    handshake.receive_data(client.send(REQUEST))
    client.recv(handshake.data_to_send())
    halves = hand_over(fake.sock, handshake, established(handshake), TX_ONLY, prepared=True)
    assert halves.receiver.buffered
    assert halves.receiver.recv(65536) == REQUEST
    halves.sender.send(b"reply", following_bytes=0)
    assert client.recv(fake.wire) == b"reply"


@pytest.mark.parametrize("can_rekey", [True, False])
def test_a_key_update_that_openssl_reads_is_answered_by_the_kernels_sender(can_rekey: bool) -> None:
    plan, fake = replace(TX_ONLY, can_rekey=can_rekey), FakeKtlsSocket()
    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_3)), new_handshake()
    shake_hands(client, handshake)
    halves = hand_over(fake.sock, handshake, established(handshake), plan, prepared=True)
    rx = established(handshake).rx
    assert rx is not None
    # A KeyUpdate of the client's, which pyOpenSSL can't be asked for.
    update = RecordProtection(pack_crypto_info(rx.keys, rx.rec_seq)).seal(bytes.fromhex("1800000101"), HANDSHAKE)
    fake.feed_plain((APPLICATION_DATA, update))
    with pytest.raises(BlockingIOError):
        halves.receiver.recv(65536)
    fake.calls.clear()
    halves.sender.send(b"reply", following_bytes=0)
    assert fake.names() == (["control", "tx", "send"] if can_rekey else ["send"])
    assert client.recv(fake.wire) == b"reply"


def test_a_receiving_key_that_is_refused_leaves_receiving_to_openssl(caplog: pytest.LogCaptureFixture) -> None:
    for plan in (AUTO, REQUIRED):
        caplog.clear()
        fake = FakeKtlsSocket(refuse={"rx": errno.EINVAL})
        client, halves = give(fake, plan)
        assert fake.names() == ["ulp", "tx", "rx"]
        assert (type(halves.receiver), type(halves.sender)) == (OpensslReceiver, KernelSender)
        assert "decrypted in userspace: setsockopt(SOL_TLS, TLS_RX)" in caplog.text
        # What OpenSSL wants to say is dropped: its key is the kernel's.
        assert isinstance(halves.receiver, OpensslReceiver)
        halves.receiver._connection.send(b"never to be seen")
        fake.feed_plain((APPLICATION_DATA, client.send(REQUEST)))
        assert halves.receiver.recv(65536) == REQUEST
        with pytest.raises(SSL.WantReadError):
            halves.receiver._connection.bio_read(1)
        assert fake.wire == b""


def test_a_sending_key_that_is_refused_is_the_fallbacks(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeKtlsSocket(refuse={"tx": errno.EINVAL})
    _, halves = give(fake, AUTO)
    assert fake.names() == ["ulp", "tx"]
    assert (type(halves.receiver), type(halves.sender), halves.kernel_sends) == (OpensslReceiver, OpensslSender, False)
    assert "falls back to userspace: setsockopt(SOL_TLS, TLS_TX)" in caplog.text


def test_a_sending_key_that_is_refused_is_an_error_where_it_is_required() -> None:
    with pytest.raises(TxKeyError, match="doesn't take the cipher"):
        give(FakeKtlsSocket(refuse={"tx": errno.EINVAL}), REQUIRED)


@pytest.mark.parametrize(
    ("plan", "refuse", "capture"),
    [
        (USERSPACE, {}, True),
        (AUTO, {"ulp": errno.ENOENT}, True),
        # Without captured secrets there is nothing to hand over.
        (AUTO, {}, False),
    ],
)
def test_what_stays_in_userspace_never_gives_a_key_away(
    plan: HandoverPlan, refuse: dict[str, int], capture: bool
) -> None:
    fake = FakeKtlsSocket(refuse=refuse)
    client, halves = give(fake, plan, capture=capture)
    assert set(fake.names()) <= {"ulp"}
    assert (type(halves.receiver), type(halves.sender), halves.kernel_sends) == (OpensslReceiver, OpensslSender, False)
    assert isinstance(halves.sender, OpensslSender)
    # What OpenSSL puts out while it reads goes to the socket, which this one takes no byte of, and is kept.
    assert isinstance(halves.receiver, OpensslReceiver)
    halves.receiver._connection.send(b"from OpenSSL")
    fake.takes = deque([0])
    fake.feed_plain((APPLICATION_DATA, client.send(REQUEST)))
    assert halves.receiver.recv(65536) == REQUEST
    assert not fake.takes
    assert halves.sender.held_bytes > 0


def test_a_client_that_wants_small_records_stays_with_openssl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ktlsserve.tls.handshake.Handshake.wants_small_records", True)
    fake = FakeKtlsSocket()
    _, halves = give(fake)
    assert fake.names() == ["ulp"]
    assert type(halves.sender) is OpensslSender
    with pytest.raises(HandshakeError, match="max_fragment_length"):
        give(FakeKtlsSocket(), REQUIRED)


def test_the_limits_of_the_plan_reach_both_kinds_of_receiver() -> None:
    for plan in (replace(AUTO, max_key_updates=3), replace(TX_ONLY, max_key_updates=3)):
        _, halves = give(FakeKtlsSocket(), plan)
        if isinstance(halves.receiver, KernelReceiver):
            assert halves.receiver._keys._key_updates_left == 3
        else:
            assert isinstance(halves.receiver, OpensslReceiver)
            assert halves.receiver._key_updates.left == 3


@pytest.mark.parametrize(("kernel_sends", "label"), [(True, "kernel"), (False, "userspace")])
def test_the_label_is_that_of_the_listening_line(kernel_sends: bool, label: str) -> None:
    assert replace(AUTO, kernel_sends=kernel_sends).label == label


@pytest.mark.parametrize(("version", "refused"), list(itertools.product(TlsVersion, [(), ("ulp",), ("tx",), ("rx",)])))
def test_no_key_is_logged(version: TlsVersion, refused: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeKtlsSocket(refuse=dict.fromkeys(refused, errno.EINVAL))
    with caplog.at_level(logging.DEBUG):
        _, halves = give(fake, AUTO, Wishes(version=version))
        logging.getLogger(__name__).debug("%r %r %s", halves, halves.sender, halves.receiver)
    assert caplog.records
    for call in fake.calls:
        if call.name != "ulp":
            info = unpack_crypto_info(call.data)
            assert info.key.hex() not in caplog.text
            assert repr(info.key)[2:-1] not in caplog.text
            assert repr(info.iv)[2:-1] not in caplog.text
