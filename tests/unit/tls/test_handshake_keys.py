"""The keys and record numbers of a finished handshake, proved against OpenSSL: a wrong one is a reused nonce or worse.

``RecordProtection`` stands for the kernel: it knows nothing but the option value that setsockopt gets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from OpenSSL import SSL

from ktlsserve.tls.context import CapturedSecrets
from ktlsserve.tls.crypto_info import pack_crypto_info
from ktlsserve.tls.handshake import DirectionKeys, Established, Handshake
from ktlsserve.tls.key_schedule import tls13_next_secret, tls13_traffic_keys
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME, SUITES, Suite, TlsVersion
from tests.support.record_protection import (
    ALERT,
    APPLICATION_DATA,
    HANDSHAKE,
    InvalidTag,
    RecordProtection,
    split_records,
)
from tests.support.tls_client import Flights, MemoryClient, Wishes, shake_hands
from tests.support.tls_server import established, new_handshake

CHANGE_CIPHER_SPEC = 20
NEW_SESSION_TICKET = 4
FINISHED = 20
NAMES = [suite.openssl_name for suite in SUITES]
TLS13 = [suite.openssl_name for suite in SUITES if suite.version is TlsVersion.TLS1_3]
# More than two records of 16 KiB, and no multiple.
LONG = bytes(range(251)) * 150


@dataclass
class Connected:
    """A client and a server that have shaken hands."""

    client: MemoryClient
    handshake: Handshake
    flights: Flights

    @property
    def result(self) -> Established:
        return established(self.handshake)

    @property
    def tx(self) -> DirectionKeys:
        assert self.result.tx is not None
        return self.result.tx

    @property
    def rx(self) -> DirectionKeys:
        assert self.result.rx is not None
        return self.result.rx


def kernel(direction: DirectionKeys, *, change: int = 0) -> RecordProtection:
    """Give one direction to the model of the kernel, with its record number or another."""
    return RecordProtection(pack_crypto_info(direction.keys, direction.rec_seq + change, b"\xff" * 8))


def connect(suite_name: str, *, earlier: MemoryClient | None = None, exact: bool = True) -> Connected:
    suite = SUITE_BY_OPENSSL_NAME[suite_name]
    client = MemoryClient(Wishes(suite=suite), earlier=earlier)
    handshake = new_handshake(exact=exact)
    connected = Connected(client, handshake, shake_hands(client, handshake))
    assert connected.result.suite is suite
    assert connected.result.resumed == (earlier is not None)
    return connected


def connect_again(suite_name: str, *, exact: bool = True) -> Connected:
    first = connect(suite_name)
    first.client.recv()
    return connect(suite_name, earlier=first.client, exact=exact)


@pytest.fixture(params=["full", "resumed"])
def both(request: pytest.FixtureRequest, suite_name: str) -> Connected:
    """A full handshake and a resumed one, of the suite that the test names."""
    return connect(suite_name) if request.param == "full" else connect_again(suite_name)


every_suite = pytest.mark.parametrize("suite_name", NAMES)
every_tls13_suite = pytest.mark.parametrize("suite_name", TLS13)


@every_suite
def test_what_openssl_seals_the_kernel_opens(both: Connected) -> None:
    rx = kernel(both.rx)
    for message in (b"GET / HTTP/1.1\r\n\r\n", LONG):
        opened = rx.open_all(both.client.send(message))
        assert {content_type for content_type, _ in opened} == {APPLICATION_DATA}
        assert b"".join(content for _, content in opened) == message


@every_suite
def test_what_the_kernel_seals_openssl_opens(both: Connected) -> None:
    tx = kernel(both.tx)
    for start in range(0, len(LONG), 16384):
        part = LONG[start : start + 16384]
        assert both.client.recv(tx.seal(part)) == part
    with pytest.raises(SSL.ZeroReturnError):
        both.client.recv(tx.seal(b"\x01\x00", ALERT))


@every_suite
def test_openssl_goes_on_with_the_same_numbers(both: Connected) -> None:
    """The userspace fallback's first record is just the one that the kernel's would have been."""
    both.handshake.connection.send(b"from OpenSSL")
    record = both.handshake.connection.bio_read(65536)
    assert kernel(both.tx).open(record) == (APPLICATION_DATA, b"from OpenSSL")


@every_suite
@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_number_for_sending_is_noticed_by_the_client(both: Connected, change: int) -> None:
    with pytest.raises(SSL.Error, match=r"bad record mac|decryption failed"):
        both.client.recv(kernel(both.tx, change=change).seal(b"hello"))


@every_suite
@pytest.mark.parametrize("change", [-1, 1])
def test_a_wrong_number_for_receiving_opens_nothing(both: Connected, change: int) -> None:
    if both.rx.rec_seq + change >= 0:
        with pytest.raises(InvalidTag):
            kernel(both.rx, change=change).open(both.client.send(b"hello"))


@every_suite
def test_swapped_keys_are_noticed(both: Connected) -> None:
    with pytest.raises(InvalidTag):
        kernel(replace(both.tx, rec_seq=both.rx.rec_seq)).open(both.client.send(b"hello"))
    with pytest.raises(SSL.Error, match=r"bad record mac|decryption failed"):
        both.client.recv(kernel(replace(both.rx, rec_seq=both.tx.rec_seq)).seal(b"hello"))


@every_tls13_suite
@pytest.mark.parametrize(("resumed", "tickets"), [(False, 2), (True, 1)])
def test_tls13_counts_the_tickets_that_have_left(suite_name: str, resumed: bool, tickets: int) -> None:
    connected = connect_again(suite_name) if resumed else connect(suite_name)
    assert (connected.tx.rec_seq, connected.rx.rec_seq) == (tickets, 0)
    # The proof of the number: those records open with it counted from 0, and there are no others.
    from_zero = kernel(replace(connected.tx, rec_seq=0))
    opened = from_zero.open_all(connected.flights.server[-1])
    assert [(kind, content[0]) for kind, content in opened] == [(HANDSHAKE, NEW_SESSION_TICKET)] * tickets
    assert from_zero.rec_seq == connected.tx.rec_seq
    assert connected.client.recv(from_zero.seal(b"next")) == b"next"


@pytest.mark.parametrize("suite_name", [name for name in NAMES if name not in TLS13])
@pytest.mark.parametrize("resumed", [False, True])
def test_tls12_counts_what_follows_the_change_of_keys(suite_name: str, resumed: bool) -> None:
    connected = connect_again(suite_name) if resumed else connect(suite_name)
    assert (connected.tx.rec_seq, connected.rx.rec_seq) == (1, 1)
    for direction, sent in ((connected.tx, connected.flights.server), (connected.rx, connected.flights.client)):
        records = split_records(b"".join(sent))
        changes = [position for position, record in enumerate(records) if record[0] == CHANGE_CIPHER_SPEC]
        assert len(changes) == 1
        opened = [kernel(replace(direction, rec_seq=0)).open(record) for record in records[changes[0] + 1 :]]
        assert [(kind, content[0]) for kind, content in opened] == [(HANDSHAKE, FINISHED)]


@every_suite
def test_greedy_reading_comes_to_the_same_keys_and_numbers(suite_name: str) -> None:
    for connected in (connect(suite_name, exact=False), connect_again(suite_name, exact=False)):
        assert kernel(connected.rx).open(connected.client.send(b"up")) == (APPLICATION_DATA, b"up")
        assert connected.client.recv(kernel(connected.tx).seal(b"down")) == b"down"


@every_suite
def test_a_request_that_comes_with_finished_changes_no_number_for_sending(suite_name: str) -> None:
    """With greedy reading OpenSSL has both in one step; what is counted is what the server has sent."""
    suite = SUITE_BY_OPENSSL_NAME[suite_name]
    earlier = None
    if suite.version is TlsVersion.TLS1_2:
        # The client speaks last only where it resumes.
        earlier = connect(suite_name).client
    client, handshake = MemoryClient(Wishes(suite=suite), earlier=earlier), new_handshake(exact=False)
    handshake.receive_data(client.data_to_send())
    client.receive_data(handshake.data_to_send())
    assert client.done
    assert handshake.established is None
    handshake.receive_data(client.send(b"GET / HTTP/1.1\r\n\r\n"))
    assert handshake.connection.recv(100) == b"GET / HTTP/1.1\r\n\r\n"
    client.recv(handshake.data_to_send())
    tx = established(handshake).tx
    assert tx is not None
    assert client.recv(kernel(tx).seal(b"reply")) == b"reply"


@every_tls13_suite
def test_the_next_keys_are_openssls(suite_name: str) -> None:
    connected = connect(suite_name)
    suite, tx, rx = connected.result.suite, connected.tx, connected.rx
    assert tx.secret is not None
    assert rx.secret is not None
    # KeyUpdate with update_requested, under the old key; what follows is under the next, from number 0.
    update = kernel(tx).seal(bytes.fromhex("1800000101"), HANDSHAKE)
    following = RecordProtection(next_option(suite, tx.secret)).seal(b"under the next key")
    assert connected.client.recv(update + following) == b"under the next key"
    # OpenSSL answers with its own before it sends anything else.
    answer, data = split_records(connected.client.send(b"and back"))
    assert kernel(rx).open(answer) == (HANDSHAKE, bytes.fromhex("1800000100"))
    assert RecordProtection(next_option(suite, rx.secret)).open(data) == (APPLICATION_DATA, b"and back")


def next_option(suite: Suite, secret: bytes) -> bytes:
    return pack_crypto_info(tls13_traffic_keys(suite, tls13_next_secret(suite, secret)), 0)


@pytest.mark.parametrize("count", range(5))
def test_tickets_are_counted_whatever_their_number(count: int) -> None:
    """OpenSSL sends none to clients that offer no psk_key_exchange_modes, and its defaults may change."""
    secrets = CapturedSecrets()
    secrets.client, secrets.server = bytes(32), bytes(32)
    flight = b"\x17\x03\x03\x00\x03abc" * count
    tx, rx = Handshake._tls13_keys(SUITE_BY_OPENSSL_NAME["TLS_AES_128_GCM_SHA256"], flight, secrets)
    assert (tx.rec_seq, rx.rec_seq) == (count, 0)


def test_tls12_without_a_ticket_counts_the_same() -> None:
    suite_name = "ECDHE-ECDSA-AES128-GCM-SHA256"
    with_ticket = connect(suite_name)
    client, handshake = MemoryClient(replace(with_ticket.client.wishes, tickets=False)), new_handshake()
    without_ticket = Connected(client, handshake, shake_hands(client, handshake))
    # The ticket comes before the ChangeCipherSpec, in clear.
    for connected, kinds in ((with_ticket, [NEW_SESSION_TICKET]), (without_ticket, [])):
        records = split_records(connected.flights.server[-1])
        assert [record[5] for record in records if record[0] == HANDSHAKE][:-1] == kinds
        assert connected.tx.rec_seq == 1


def test_a_second_hello_changes_no_number() -> None:
    client, handshake = MemoryClient(Wishes(groups=("P-384", "P-256"))), new_handshake()
    flights = shake_hands(client, handshake)
    result = established(handshake)
    # ClientHello, another one as the HelloRetryRequest asks, Finished.
    assert len(flights.client) == 3
    assert result.group == "secp256r1"
    assert result.tx is not None
    assert result.tx.rec_seq == 2
    assert client.recv(kernel(result.tx).seal(b"reply")) == b"reply"
