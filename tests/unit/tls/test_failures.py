"""Each reason comes from a handshake that really fails so, not from a message that a test invents."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from OpenSSL import SSL

from ktlsserve.errors import HandshakeError
from ktlsserve.tls.client_certificates import ClientPolicy
from ktlsserve.tls.failures import OTHER, PROXY_HEADER, REASONS, failure_reason
from ktlsserve.tls.handshake import Handshake
from ktlsserve.tls.suites import SUITES, TlsVersion
from tests.support.pki import TODAY_TOO, new_authority
from tests.support.proxy_headers import pack_v2
from tests.support.tls_client import MemoryClient, Wishes
from tests.support.tls_server import authority, new_context, new_handshake, policy

TLS13 = tuple(suite for suite in SUITES if suite.version is TlsVersion.TLS1_3)
TLS12 = tuple(suite for suite in SUITES if suite.version is TlsVersion.TLS1_2)


def talk(client: MemoryClient, handshake: Handshake) -> None:
    """Carry bytes between the two until one has enough."""
    for _ in range(20):
        feed(client.data_to_send(), handshake)
        # The alert of a client that gives up is what the server fails with.
        with contextlib.suppress(SSL.Error):
            client.receive_data(handshake.data_to_send())


def feed(data: bytes, handshake: Handshake) -> None:
    while data:
        piece, data = data[: handshake.wanted], data[handshake.wanted :]
        handshake.receive_data(piece)


def failure(client: MemoryClient, handshake: Handshake) -> str:
    """Return the reason of a handshake that must fail on the server's side."""
    with pytest.raises(HandshakeError) as raised:
        talk(client, handshake)
    return failure_reason(str(raised.value))


def fed(data: bytes, handshake: Handshake | None = None) -> str:
    """Return the reason for which ``data`` is refused."""
    with pytest.raises(HandshakeError) as raised:
        feed(data, handshake or new_handshake())
    return failure_reason(str(raised.value))


def test_what_is_no_tls() -> None:
    assert fed(b"GET / HTTP/1.1\r\n\r\n") == "plain_http"
    assert fed(b"SSH-2.0-OpenSSH_9.2\r\n") == "not_tls"


def test_too_much() -> None:
    assert fed(MemoryClient().data_to_send(), new_handshake(max_bytes=100)) == "too_large"


def test_versions_and_ciphers() -> None:
    only_13 = new_handshake(new_context(terms=policy(TLS13)))
    assert failure(MemoryClient(Wishes(version=TlsVersion.TLS1_2)), only_13) == "protocol_version"
    without = tuple(suite for suite in TLS12 if suite is not TLS12[0])
    handshake = new_handshake(new_context(terms=policy(without)))
    assert failure(MemoryClient(Wishes(suite=TLS12[0])), handshake) == "no_common_cipher"


def test_groups() -> None:
    handshake = new_handshake(new_context(terms=policy(groups=("X25519",))))
    assert failure(MemoryClient(Wishes(groups=("P-384",))), handshake) == "no_common_group"


def test_protocols() -> None:
    assert failure(MemoryClient(Wishes(protocols=(b"h2",))), new_handshake()) == "no_common_alpn"


@pytest.mark.parametrize("version", TlsVersion)
def test_a_client_that_does_not_trust_the_certificate(version: TlsVersion) -> None:
    stranger = authority().issue("stranger", authority=True).certificate
    client = MemoryClient(Wishes(version=version, trusted=stranger))
    assert failure(client, new_handshake()) == "client_alert"


def test_what_nobody_foresaw_is_other() -> None:
    assert failure_reason("bad record mac") == OTHER
    assert OTHER in REASONS


def test_reasons_are_words_and_each_once() -> None:
    assert len(set(REASONS)) == len(REASONS)
    assert all(reason.replace("_", "").isalpha() and reason.islower() for reason in REASONS)


def test_a_proxy_header_from_where_none_is_expected() -> None:
    assert fed(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n") == PROXY_HEADER
    assert fed(pack_v2("192.0.2.1", 1, "192.0.2.2")) == PROXY_HEADER


@pytest.mark.parametrize("version", TlsVersion)
def test_a_client_without_a_certificate_and_one_with_a_wrong_one(version: TlsVersion) -> None:
    root, stranger = new_authority("clients", days=TODAY_TOO), new_authority("strangers", days=TODAY_TOO)
    clients = ClientPolicy(authorities=(root.certificate,), required=True, depth=1, crls=())
    context = new_context(terms=replace(policy(), clients=clients))
    assert failure(MemoryClient(Wishes(version=version)), new_handshake(context)) == "client_certificate"
    # Its subject stands in the message, and says what it likes.
    liar = stranger.issue_client("plain HTTP on a TLS port")
    wishes = Wishes(version=version, identity=(liar,))
    assert failure(MemoryClient(wishes), new_handshake(context)) == "client_certificate"
