from __future__ import annotations

import itertools
import logging
from collections.abc import Callable

import pytest
from OpenSSL import SSL

import ktlsserve.tls.handshake as handshake_module
from ktlsserve.errors import HandshakeError
from ktlsserve.tls.context import CapturedSecrets
from ktlsserve.tls.handshake import GREEDY_READ_BYTES, Handshake, describe_openssl_error
from ktlsserve.tls.records import HEADER_BYTES, LEAST_FINISHED_BYTES, MAX_BODY_BYTES
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME, SUITES, Cipher, Suite, TlsVersion
from tests.support.proxy_headers import LOCAL
from tests.support.record_protection import split_records
from tests.support.tls_client import MemoryClient, Wishes, shake_hands
from tests.support.tls_server import MAX_BYTES, chain, established, new_context, new_handshake, policy

CLIENT_HELLO_TYPE = 1
PLAIN_ANSWER_START = b"HTTP/1.1 400 Bad Request\r\n"


def alert_in(data: bytes) -> int:
    """Return the description of the only record, which must be a fatal alert in clear."""
    (record,) = split_records(data)
    assert record[:6] == b"\x15\x03\x03\x00\x02\x02"
    return record[6]


def feed(handshake: Handshake, data: bytes) -> None:
    while data:
        count = handshake.wanted
        handshake.receive_data(data[:count])
        data = data[count:]


# Reading.


@pytest.mark.parametrize("version", TlsVersion)
@pytest.mark.parametrize("largest_read", [1, 2, 7, MAX_BODY_BYTES])
def test_exact_reading_stops_at_the_handshakes_end(version: TlsVersion, largest_read: int) -> None:
    client, handshake = MemoryClient(Wishes(version=version)), new_handshake()
    stream, flights = client.data_to_send(), 0
    while handshake.established is None:
        # After the server's first flight as much as the shortest Finished has is read at once.
        position, certain = 0, LEAST_FINISHED_BYTES if flights else 0
        ends = [0]
        for record in split_records(stream):
            ends.append(ends[-1] + len(record))
        while position < len(stream):
            # The rest of the header, then the rest of the body, and never a byte of what comes next.
            (start, end) = next(pair for pair in itertools.pairwise(ends) if position < pair[1])
            missing = (start + HEADER_BYTES if position < start + HEADER_BYTES else end) - position
            assert handshake.wanted == max(missing, certain - position)
            step = min(largest_read, handshake.wanted)
            handshake.receive_data(stream[position : position + step])
            position += step
        client.receive_data(handshake.data_to_send())
        stream, flights = client.data_to_send(), flights + 1
    assert flights >= 2
    client.recv(handshake.data_to_send())
    # OpenSSL holds nothing of what comes after.
    with pytest.raises(SSL.WantReadError):
        handshake.connection.recv(1)


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.openssl_name)
def test_no_finished_is_shorter_than_what_is_read_at_once(suite: Suite) -> None:
    first, handshake = MemoryClient(Wishes(suite=suite)), new_handshake()
    flights = shake_hands(first, handshake).client[1:]
    first.recv(handshake.data_to_send())
    second, resumption = MemoryClient(earlier=first), new_handshake()
    flights += shake_hands(second, resumption).client[1:]
    assert established(resumption).resumed
    finished = [split_records(flight)[-1] for flight in flights if flight]
    assert len(finished) == 2
    assert min(map(len, finished)) >= LEAST_FINISHED_BYTES
    if suite.openssl_name.startswith("ECDHE-") and suite.cipher is Cipher.CHACHA20_POLY1305:
        assert {len(record) for record in finished} == {LEAST_FINISHED_BYTES}


@pytest.mark.parametrize(("version", "most"), [(TlsVersion.TLS1_3, 4), (TlsVersion.TLS1_2, 8)])
def test_exact_reading_takes_few_reads(version: TlsVersion, most: int) -> None:
    client, handshake = MemoryClient(Wishes(version=version)), new_handshake()
    reads = 0
    while handshake.established is None:
        stream = client.data_to_send()
        while stream:
            count = handshake.wanted
            handshake.receive_data(stream[:count])
            stream, reads = stream[count:], reads + 1
        client.receive_data(handshake.data_to_send())
    assert reads <= most


def test_a_hand_over_with_bytes_read_too_far_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for too_far in (80, 120, 1000):
        monkeypatch.setattr(handshake_module, "LEAST_FINISHED_BYTES", too_far)
        client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_3)), new_handshake()
        feed(handshake, client.data_to_send())
        client.receive_data(handshake.data_to_send())
        stream = client.data_to_send() + client.send(b"GET / HTTP/1.1\r\n\r\n") * 3
        assert handshake.wanted == too_far
        with pytest.raises(HandshakeError, match="bytes behind the handshake"):
            handshake.receive_data(stream[:too_far])
        assert handshake.established is None


def test_exact_reading_leaves_a_request_behind_finished_alone() -> None:
    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_3)), new_handshake()
    feed(handshake, client.data_to_send())
    client.receive_data(handshake.data_to_send())
    finished = client.data_to_send()
    stream = finished + client.send(b"GET / HTTP/1.1\r\n\r\n")
    taken = 0
    while handshake.established is None:
        count = handshake.wanted
        handshake.receive_data(stream[taken : taken + count])
        taken += count
    assert taken == len(finished)


def test_greedy_reading_takes_what_is_there() -> None:
    handshake = new_handshake(exact=False)
    assert handshake.wanted == GREEDY_READ_BYTES
    shake_hands(MemoryClient(), handshake)
    assert established(handshake).tx is not None


@pytest.mark.parametrize("exact", [True, False])
def test_a_request_of_any_size_behind_finished_is_no_handshake(exact: bool) -> None:
    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_3)), new_handshake(exact=exact)
    feed(handshake, client.data_to_send())
    client.receive_data(handshake.data_to_send())
    stream = client.send(bytes(2 * MAX_BYTES))
    taken = 0
    while handshake.established is None:
        count = handshake.wanted
        handshake.receive_data(stream[taken : taken + count])
        taken += count
    assert taken <= MAX_BYTES


@pytest.mark.parametrize("exact", [True, False])
def test_half_a_hello_is_waited_for(exact: bool) -> None:
    client, handshake = MemoryClient(), new_handshake(exact=exact)
    hello = client.data_to_send()
    feed(handshake, hello[:200])
    assert handshake.data_to_send() == b""
    assert handshake.established is None
    assert handshake.wanted == (len(hello) - 200 if exact else MAX_BYTES + 1 - 200)
    feed(handshake, hello[200:])
    assert split_records(handshake.data_to_send())[0][0] == 22


def test_a_hello_in_many_records_is_one_hello() -> None:
    client, handshake = MemoryClient(), new_handshake()
    body = client.data_to_send()[HEADER_BYTES:]
    pieces = [body[start : start + 100] for start in range(0, len(body), 100)]
    feed(handshake, b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces))
    client.receive_data(handshake.data_to_send())
    assert client.done


# What is no TLS.


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET / HTTP/1.1",
        b"HEAD / HTTP/1.1",
        b"POST /form HTTP/1.1",
        b"PUT /a HTTP/1.0",
        b"OPTIONS * HTTP/1.1",
        b"DELETE /a HTTP/1.1",
        b"PATCH /a HTTP/1.1",
        b"TRACE / HTTP/1.1",
        b"CONNECT a:443 HTTP/1.1",
    ],
)
@pytest.mark.parametrize(("exact", "most"), [(True, 65536), (True, 1), (False, 65536), (False, 1)])
def test_plain_http_is_told_so_in_words(request_line: bytes, exact: bool, most: int) -> None:
    handshake = new_handshake(exact=exact)
    stream = request_line + b"\r\nHost: localhost\r\n\r\n"

    def send() -> None:
        start = 0
        while start < len(stream):
            count = min(handshake.wanted, most)
            handshake.receive_data(stream[start : start + count])
            start += count

    with pytest.raises(HandshakeError, match="plain HTTP on a TLS port"):
        send()
    head, _, body = handshake.data_to_send().partition(b"\r\n\r\n")
    assert head.startswith(PLAIN_ANSWER_START)
    assert b"\r\nConnection: close" in head
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert b"https://" in body


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 40,
        b"\xff" * 40,
        b"GETX/ HTTP/1.1\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        # An SSLv2 ClientHello, and records that no connection starts with.
        bytes.fromhex("802e0100020015000000100100800300800700c0"),
        bytes.fromhex("1503030002012a"),
        bytes.fromhex("1703030001ff"),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_what_is_no_tls_ends_at_its_first_bytes(garbage: bytes, exact: bool) -> None:
    handshake = new_handshake(exact=exact)
    with pytest.raises(HandshakeError, match="not a TLS record"):
        feed(handshake, garbage)
    assert handshake.data_to_send() == b""
    assert handshake.established is None


def test_a_beginning_that_may_become_a_request_is_waited_for() -> None:
    handshake = new_handshake()
    handshake.receive_data(b"G")
    handshake.receive_data(b"E")
    with pytest.raises(HandshakeError, match="not a TLS record"):
        handshake.receive_data(b"M")


@pytest.mark.parametrize("header", [b"PROXY TCP4 192.0.2.7 198.51.100.1 1 443\r\n", LOCAL], ids=["1", "2"])
@pytest.mark.parametrize("first", [1, 4])
def test_a_proxy_header_is_called_by_its_name(header: bytes, first: int) -> None:
    handshake = new_handshake()
    handshake.receive_data(header[:first])
    with pytest.raises(HandshakeError, match=r"a PROXY header where server\.proxy_protocol expects none"):
        handshake.receive_data(header[first:5])
    assert handshake.data_to_send() == b""


@pytest.mark.parametrize("exact", [True, False])
def test_a_handshake_record_with_garbage_gets_an_alert(exact: bool) -> None:
    handshake = new_handshake(exact=exact)
    with pytest.raises(HandshakeError) as caught:
        feed(handshake, b"\x16\x03\x01\x00\x20" + bytes(32))
    assert str(caught.value)
    assert alert_in(handshake.data_to_send()) == 10  # unexpected_message


# Bounds.


@pytest.mark.parametrize("exact", [True, False])
def test_a_handshake_that_is_too_large_ends(exact: bool) -> None:
    handshake = new_handshake(exact=exact, max_bytes=20_000)
    # A hello of 60,000 bytes that goes on and on.
    piece = b"\x16\x03\x01\x10\x00"
    hello = b"\x01\x00\xea\x60\x03\x03"
    stream = b"".join(piece + (hello + bytes(4090) if not number else bytes(4096)) for number in range(10))
    with pytest.raises(HandshakeError, match="the handshake is larger than 20000 bytes"):
        feed(handshake, stream)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("length", [MAX_BODY_BYTES + 1, 0xFFFF])
def test_a_record_that_is_too_large_gets_an_alert_at_its_header(exact: bool, length: int) -> None:
    handshake = new_handshake(exact=exact)
    with pytest.raises(HandshakeError, match="data length too long"):
        handshake.receive_data(b"\x16\x03\x01" + length.to_bytes(2, "big"))
    assert alert_in(handshake.data_to_send()) == 22  # record_overflow


# What can't be agreed on.


@pytest.mark.parametrize("version", TlsVersion)
def test_a_client_without_http_1_1_is_told_so(version: TlsVersion) -> None:
    client, handshake = MemoryClient(Wishes(version=version, protocols=(b"h2", b"h3"))), new_handshake()
    with pytest.raises(HandshakeError, match=r"ALPN offers b'h2, h3', but not http/1.1"):
        feed(handshake, client.data_to_send())
    answer = handshake.data_to_send()
    assert alert_in(answer) == 120
    with pytest.raises(SSL.Error, match="no application protocol"):
        client.receive_data(answer)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((b"http/1.1",), b"http/1.1"),
        ((b"h2", b"http/1.1"), b"http/1.1"),
        ((b"http/1.0", b"http/1.1"), b"http/1.1"),
        ((b"h2", b"http/1.0"), b"http/1.0"),
        ((), b""),
    ],
)
def test_the_best_http_1_is_chosen_from_any_offer(offered: tuple[bytes, ...], chosen: bytes) -> None:
    client, handshake = MemoryClient(Wishes(protocols=offered)), new_handshake()
    shake_hands(client, handshake)
    assert client.connection.get_alpn_proto_negotiated() == chosen


def test_one_connections_refusal_is_not_the_nexts() -> None:
    context = new_context()
    for _ in range(2):
        refused = new_handshake(context)
        with pytest.raises(HandshakeError, match="ALPN"):
            feed(refused, MemoryClient(Wishes(protocols=(b"h2",))).data_to_send())
        shake_hands(MemoryClient(Wishes(protocols=(b"http/1.1",))), new_handshake(context))


@pytest.mark.parametrize(
    ("wishes", "alert", "reason"),
    [
        (Wishes(suite=SUITE_BY_OPENSSL_NAME["TLS_CHACHA20_POLY1305_SHA256"]), 40, "no shared cipher"),
        (Wishes(version=TlsVersion.TLS1_2), 70, "unsupported protocol"),
        (Wishes(groups=("P-384",)), 40, "no suitable key share"),
    ],
)
def test_nothing_in_common_gets_an_alert(wishes: Wishes, alert: int, reason: str) -> None:
    only = (SUITE_BY_OPENSSL_NAME["TLS_AES_128_GCM_SHA256"],)
    client, handshake = MemoryClient(wishes), new_handshake(new_context(terms=policy(only)))
    with pytest.raises(HandshakeError, match=reason):
        feed(handshake, client.data_to_send())
    assert alert_in(handshake.data_to_send()) == alert
    assert handshake.established is None


def test_a_client_that_refuses_the_certificate_is_named_so() -> None:
    stranger = chain("p256", ("elsewhere",)).leaf
    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_3, trusted=stranger)), new_handshake()
    feed(handshake, client.data_to_send())
    with pytest.raises(SSL.Error, match="certificate verify failed"):
        client.receive_data(handshake.data_to_send())
    with pytest.raises(HandshakeError, match="alert unknown ca"):
        feed(handshake, client.data_to_send())


# What is known afterwards.


@pytest.mark.parametrize("version", TlsVersion)
def test_what_was_agreed_on_is_reported(version: TlsVersion) -> None:
    client, handshake = MemoryClient(Wishes(version=version, server_name="www.example.org")), new_handshake()
    shake_hands(client, handshake)
    result = established(handshake)
    assert result.suite.version is version
    assert result.suite.openssl_name == client.connection.get_cipher_name()
    assert (result.server_name, result.resumed) == ("www.example.org", False)
    # Hybrid groups are TLS 1.3's alone (draft-ietf-tls-ecdhe-mlkem).
    assert result.group == ("X25519MLKEM768" if version is TlsVersion.TLS1_3 else "x25519")


def test_a_name_that_is_not_ascii_is_no_error() -> None:
    client, handshake = MemoryClient(), new_handshake()
    client.connection.set_tlsext_host_name(b"\xff\xfe.example")
    shake_hands(client, handshake)
    assert established(handshake).server_name == ""


def test_without_capturing_there_are_no_keys() -> None:
    handshake = new_handshake(new_context(terms=policy(capture_secrets=False)))
    shake_hands(MemoryClient(), handshake)
    result = established(handshake)
    assert (result.tx, result.rx) == (None, None)


# Keys stay where they belong.


def test_openssls_object_keeps_no_secrets() -> None:
    client, handshake = MemoryClient(), new_handshake()
    assert isinstance(handshake.connection.get_app_data(), CapturedSecrets)
    shake_hands(client, handshake)
    assert handshake.connection.get_app_data() is None


@pytest.mark.parametrize("version", TlsVersion)
def test_nothing_shows_a_key(version: TlsVersion, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client, handshake = MemoryClient(Wishes(version=version)), new_handshake()
        captured: CapturedSecrets = handshake.connection.get_app_data()
        shake_hands(client, handshake)
    result = established(handshake)
    assert result.tx is not None
    assert result.rx is not None
    secret: list[bytes] = []
    for direction in (result.tx, result.rx):
        secret += [direction.keys.key, direction.keys.iv, direction.secret or b""]
    shown = [handshake, result, result.tx, result.rx, result.tx.keys, result.rx.keys, captured]
    texts = [show(item) for item in shown for show in (repr, str)] + [caplog.text]
    for text in texts:
        for value in filter(None, secret):
            assert value.hex() not in text.lower()
            assert repr(value)[2:-1] not in text


def test_a_key_log_that_fails_ends_the_handshake() -> None:
    class Broken(CapturedSecrets):
        __slots__ = ()

        @property
        def server(self) -> bytes | None:
            return None

        @server.setter
        def server(self, value: bytes | None) -> None:
            if value is not None:
                raise MemoryError

    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_3)), new_handshake()
    handshake.connection.set_app_data(Broken())
    with pytest.raises(HandshakeError, match="the key log could not be read") as caught:
        shake_hands(client, handshake)
    assert isinstance(caught.value.__cause__, MemoryError)
    assert handshake.established is None


def test_a_handshake_without_its_key_log_is_not_handed_over() -> None:
    client, handshake = MemoryClient(), new_handshake(new_context(terms=policy(capture_secrets=False)))
    handshake._capture = True
    with pytest.raises(HandshakeError, match="without logging its secrets"):
        shake_hands(client, handshake)


@pytest.mark.parametrize("missing", ["master_key", "client_random", "server_random"])
def test_a_handshake_without_its_master_secret_is_not_handed_over(missing: str) -> None:
    class Forgetful:
        """An OpenSSL connection that has lost something."""

        def __init__(self, connection: SSL.Connection) -> None:
            self.connection = connection

        def __getattr__(self, name: str) -> Callable[..., object]:
            return (lambda: None) if name == missing else getattr(self.connection, name)

    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_2)), new_handshake()
    handshake.connection = Forgetful(handshake.connection)  # type: ignore[assignment]
    with pytest.raises(HandshakeError, match="without a master secret"):
        shake_hands(client, handshake)


@pytest.mark.parametrize(
    ("error", "description"),
    [
        (SSL.Error([("SSL routines", "", "no shared cipher")]), "no shared cipher"),
        (SSL.Error([("a", "b", "first"), ("a", "b", ""), ("a", "b", "second")]), "first, second"),
        (SSL.Error([]), "Error"),
        (SSL.SysCallError(-1, "Unexpected EOF"), "SysCallError"),
        (SSL.ZeroReturnError(), "ZeroReturnError"),
    ],
)
def test_errors_are_described_in_words(error: SSL.Error, description: str) -> None:
    assert describe_openssl_error(error) == description


def test_every_suite_has_a_handshake_with_each_kind_of_reading() -> None:
    for suite in SUITES:
        for exact in (True, False):
            handshake = new_handshake(exact=exact)
            shake_hands(MemoryClient(Wishes(suite=suite)), handshake)
            assert established(handshake).suite is suite
