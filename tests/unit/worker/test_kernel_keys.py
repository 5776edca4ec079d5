from __future__ import annotations

import errno
import logging
from collections import deque

import pytest

from ktlsserve.errors import KeyUpdateUnsupported, PeerViolation, RxKeyError, TxKeyError
from ktlsserve.tls.crypto_info import pack_crypto_info
from ktlsserve.tls.handshake import DirectionKeys
from ktlsserve.tls.key_schedule import tls12_traffic_keys, tls13_next_secret, tls13_traffic_keys
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME
from ktlsserve.worker import kernel_keys
from ktlsserve.worker.kernel_keys import MOST_RECORDS, KernelKeys, most_records
from tests.support.fake_ktls import Call, FakeKtlsSocket
from tests.support.record_protection import HANDSHAKE, unpack_crypto_info

SUITE = SUITE_BY_OPENSSL_NAME["TLS_AES_256_GCM_SHA384"]
SUITE12 = SUITE_BY_OPENSSL_NAME["ECDHE-RSA-AES128-GCM-SHA256"]
TX_SECRET = b"t" * 48
RX_SECRET = b"r" * 48
NOT_REQUESTED = bytes.fromhex("1800000100")
REQUESTED = bytes.fromhex("1800000101")
EAGAIN = deque([0])


def tls13_keys(
    fake: FakeKtlsSocket, *, can_rekey: bool = True, max_key_updates: int = 16, rec_seq: int = 2
) -> KernelKeys:
    tx = DirectionKeys(tls13_traffic_keys(SUITE, TX_SECRET), TX_SECRET, rec_seq)
    rx = DirectionKeys(tls13_traffic_keys(SUITE, RX_SECRET), RX_SECRET, 0)
    return KernelKeys(fake.sock, SUITE, tx, rx, can_rekey=can_rekey, max_key_updates=max_key_updates)


def tls12_keys(fake: FakeKtlsSocket) -> KernelKeys:
    client, server = tls12_traffic_keys(SUITE12, b"m" * 48, b"c" * 32, b"s" * 32)
    tx, rx = DirectionKeys(server, None, 1), DirectionKeys(client, None, 1)
    return KernelKeys(fake.sock, SUITE12, tx, rx, can_rekey=True, max_key_updates=16)


def nth_option(secret: bytes, number: int) -> bytes:
    """Return the option value of the ``number``-th key after the first."""
    for _ in range(number):
        secret = tls13_next_secret(SUITE, secret)
    return pack_crypto_info(tls13_traffic_keys(SUITE, secret), 0)


def owed(keys: KernelKeys) -> bool:
    return keys.update_owed


def worn_out(keys: KernelKeys) -> bool:
    return keys.worn_out


# The rule: once.


def test_each_key_is_given_to_the_kernel_with_its_number() -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake, rec_seq=2)
    keys.install_tx()
    keys.install_rx()
    assert fake.calls == [
        Call("tx", pack_crypto_info(tls13_traffic_keys(SUITE, TX_SECRET), 2)),
        Call("rx", pack_crypto_info(tls13_traffic_keys(SUITE, RX_SECRET), 0)),
    ]


def test_a_sending_key_is_installed_once_and_never_again() -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_tx()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="would repeat nonces"):
            keys.install_tx()
    assert fake.names() == ["tx"]


def test_a_receiving_key_is_installed_once() -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_rx()
    with pytest.raises(RuntimeError, match="already"):
        keys.install_rx()
    assert fake.names() == ["rx"]


def test_a_key_that_was_refused_is_not_tried_again() -> None:
    fake = FakeKtlsSocket(refuse={"tx": errno.EINVAL, "rx": errno.EBUSY})
    keys = tls13_keys(fake)
    with pytest.raises(TxKeyError, match="doesn't take the cipher"):
        keys.install_tx()
    with pytest.raises(RxKeyError, match="installed already"):
        keys.install_rx()
    for install in (keys.install_tx, keys.install_rx):
        with pytest.raises(RuntimeError):
            install()
    assert fake.names() == ["tx", "rx"]


def test_an_updated_key_is_installed_once_too() -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_tx()
    keys.update_sending_key()
    with pytest.raises(RuntimeError, match="would repeat nonces"):
        keys.install_tx()
    assert fake.names() == ["tx", "control", "tx"]


def test_tls12_starts_its_explicit_nonce_anywhere() -> None:
    """A fixed start would repeat nonces, were the same key ever used again."""
    nonces = set()
    for _ in range(3):
        fake = FakeKtlsSocket()
        keys = tls12_keys(fake)
        keys.install_tx()
        keys.install_rx()
        nonces.add(unpack_crypto_info(fake.option("tx")).iv)
        assert unpack_crypto_info(fake.option("rx")).iv == bytes(8)
        assert [unpack_crypto_info(fake.option(name)).rec_seq for name in ("tx", "rx")] == [1, 1]
    assert len(nonces) == 3


# KeyUpdate.


def test_the_peers_update_installs_its_next_key_from_zero() -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_rx()
    for number in (1, 2, 3):
        assert keys.receive_handshake_record(NOT_REQUESTED)
        assert fake.option("rx") == nth_option(RX_SECRET, number)
    assert not owed(keys)
    assert fake.names() == ["rx"] * 4


def test_the_answer_goes_out_under_the_old_key_and_the_new_one_follows() -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_tx()
    keys.install_rx()
    assert keys.receive_handshake_record(REQUESTED)
    assert owed(keys)
    assert fake.names() == ["tx", "rx", "rx"]
    keys.update_sending_key()
    assert not owed(keys)
    assert fake.calls[3:] == [Call("control", NOT_REQUESTED, HANDSHAKE), Call("tx", nth_option(TX_SECRET, 1))]


def test_two_requests_before_an_answer_get_one() -> None:
    """RFC 8446 section 4.6.3: several may be answered with a single KeyUpdate."""
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_tx()
    keys.receive_handshake_record(REQUESTED)
    keys.receive_handshake_record(REQUESTED)
    keys.update_sending_key()
    assert fake.option("tx") == nth_option(TX_SECRET, 1)
    assert fake.option("rx") == nth_option(RX_SECRET, 2)
    assert not owed(keys)


def test_an_update_that_openssl_has_read_is_answered_too() -> None:
    """Where OpenSSL receives; whether the peer asks for it can't be seen, and an update is always allowed."""
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_tx()
    keys.note_key_update()
    assert owed(keys)
    keys.update_sending_key()
    assert fake.names() == ["tx", "control", "tx"]
    assert fake.option("tx") == nth_option(TX_SECRET, 1)
    unable = tls13_keys(fake, can_rekey=False)
    unable.note_key_update()
    assert not owed(unable)


def test_an_answer_that_finds_no_room_stays_owed_under_the_old_key() -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_tx()
    keys.receive_handshake_record(REQUESTED)
    fake.takes = deque([0, 0])
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            keys.update_sending_key()
        assert owed(keys)
    assert fake.names() == ["tx", "rx"]
    keys.update_sending_key()
    assert fake.option("tx") == nth_option(TX_SECRET, 1)


def test_a_kernel_that_refuses_the_next_key_says_so() -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_tx()
    fake.refuse = {"tx": errno.EBUSY, "rx": errno.EBUSY}
    with pytest.raises(RxKeyError):
        keys.receive_handshake_record(NOT_REQUESTED)
    with pytest.raises(TxKeyError):
        keys.update_sending_key()
    # Not under the old key any more, and the new one isn't there.
    with pytest.raises(RuntimeError):
        keys.install_tx()


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_updates_are_bounded(allowed: int) -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake, max_key_updates=allowed)
    for _ in range(allowed):
        assert keys.receive_handshake_record(NOT_REQUESTED)
    with pytest.raises(PeerViolation, match="too many KeyUpdates"):
        keys.receive_handshake_record(NOT_REQUESTED)
    assert fake.names() == ["rx"] * allowed


# A kernel that can't follow.


def test_without_rekeying_an_update_ends_reading_but_not_the_reply(caplog: pytest.LogCaptureFixture) -> None:
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake, can_rekey=False)
    with caplog.at_level(logging.INFO):
        assert not keys.receive_handshake_record(NOT_REQUESTED)
    assert "Linux 6.14 and later" in caplog.text
    assert not owed(keys)
    assert fake.calls == []


def test_without_rekeying_a_requested_update_ends_the_connection() -> None:
    """Nothing may follow it under the old key (RFC 8446 section 4.6.3)."""
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake, can_rekey=False)
    with pytest.raises(KeyUpdateUnsupported, match="this kernel can't change keys"):
        keys.receive_handshake_record(REQUESTED)
    assert issubclass(KeyUpdateUnsupported, PeerViolation)
    assert fake.calls == []


def test_without_rekeying_floods_are_bounded_all_the_same() -> None:
    keys = tls13_keys(FakeKtlsSocket(), can_rekey=False, max_key_updates=1)
    keys.receive_handshake_record(NOT_REQUESTED)
    with pytest.raises(PeerViolation, match="too many"):
        keys.receive_handshake_record(NOT_REQUESTED)


def test_without_rekeying_no_secret_is_kept() -> None:
    keys = tls13_keys(FakeKtlsSocket(), can_rekey=False)
    kept = [getattr(keys, name) for name in KernelKeys.__slots__]
    assert TX_SECRET not in kept
    assert RX_SECRET not in kept
    with pytest.raises(RuntimeError, match="can't be updated"):
        keys.update_sending_key()


def test_an_installed_key_is_not_kept() -> None:
    keys = tls13_keys(FakeKtlsSocket())
    keys.install_tx()
    keys.install_rx()
    assert keys._pending_tx is None
    assert keys._pending_rx is None


# What isn't a KeyUpdate.


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x18",
        bytes.fromhex("18000001"),
        bytes.fromhex("1800000102"),
        bytes.fromhex("18000002 0000"),
        NOT_REQUESTED + NOT_REQUESTED,
        # ClientHello, Certificate.
        bytes.fromhex("010000020303"),
        bytes.fromhex("0b000000"),
    ],
)
@pytest.mark.parametrize("can_rekey", [True, False])
def test_other_handshake_messages_end_the_connection(content: bytes, can_rekey: bool) -> None:
    fake = FakeKtlsSocket()
    with pytest.raises(PeerViolation, match="isn't KeyUpdate") as caught:
        tls13_keys(fake, can_rekey=can_rekey).receive_handshake_record(content)
    assert not isinstance(caught.value, KeyUpdateUnsupported)
    assert fake.calls == []


@pytest.mark.parametrize("content", [NOT_REQUESTED, REQUESTED, bytes.fromhex("010000020303")])
def test_tls12_has_no_update_and_no_renegotiation(content: bytes) -> None:
    fake = FakeKtlsSocket()
    keys = tls12_keys(fake)
    with pytest.raises(PeerViolation, match="isn't KeyUpdate") as caught:
        keys.receive_handshake_record(content)
    assert not isinstance(caught.value, KeyUpdateUnsupported)
    assert fake.calls == []
    with pytest.raises(RuntimeError, match="can't be updated"):
        keys.update_sending_key()


# Wear.


@pytest.mark.parametrize(
    ("plaintext_bytes", "records"), [(0, 2), (1, 2), (16383, 2), (16384, 3), (1 << 20, 66), ((1 << 20) + 5, 66)]
)
def test_a_call_is_counted_as_the_most_records_that_it_can_be(plaintext_bytes: int, records: int) -> None:
    assert most_records(plaintext_bytes) == records


def test_the_limit_is_below_that_of_the_rfc() -> None:
    # RFC 8446 section 5.5: 2**24.5 full-size records with AES-GCM.
    assert 2**20 < MOST_RECORDS < 2**24.5 / 2


def test_a_worn_key_is_updated_where_that_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_keys, "MOST_RECORDS", 10)
    fake = FakeKtlsSocket()
    keys = tls13_keys(fake)
    keys.install_tx()
    for _ in range(4):
        keys.count_sent(1)
    assert not owed(keys)
    keys.count_sent(1)
    assert owed(keys)
    assert not worn_out(keys)
    keys.update_sending_key()
    assert fake.option("tx") == nth_option(TX_SECRET, 1)
    # And the next one has as much before it.
    for _ in range(4):
        keys.count_sent(1)
    assert not owed(keys)
    keys.count_sent(1)
    assert owed(keys)


@pytest.mark.parametrize("version", ["1.2", "1.3 without re-keying"])
def test_a_worn_key_that_can_not_be_changed_ends_the_connection(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_keys, "MOST_RECORDS", 10)
    fake = FakeKtlsSocket()
    keys = tls12_keys(fake) if version == "1.2" else tls13_keys(fake, can_rekey=False)
    keys.count_sent(6 * 16384)
    assert not worn_out(keys)
    keys.count_sent(0)
    assert worn_out(keys)
    assert not owed(keys)
