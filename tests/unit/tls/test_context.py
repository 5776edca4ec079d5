from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from OpenSSL import SSL

from ktlsserve.errors import CertificateError
from ktlsserve.tls.certificates import CertificateChain, CertificateIndex
from ktlsserve.tls.context import CapturedSecrets, ServerContext, TlsPolicy, _capture_secret
from ktlsserve.tls.crypto_info import pack_crypto_info
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME, SUITES, Cipher, Suite, TlsVersion
from tests.support.pki import new_key
from tests.support.record_protection import RecordProtection
from tests.support.tls_client import MemoryClient, Wishes, shake_hands
from tests.support.tls_server import authority, chain, established, new_context, new_handshake, policy

AES_128 = SUITE_BY_OPENSSL_NAME["TLS_AES_128_GCM_SHA256"]


def connect(
    context: ServerContext, wishes: Wishes | None = None, *, earlier: MemoryClient | None = None
) -> MemoryClient:
    """Shake hands, and have the client take its tickets."""
    client, handshake = MemoryClient(wishes, earlier=earlier), new_handshake(context)
    shake_hands(client, handshake)
    client.recv()
    return client


def subject(client: MemoryClient) -> str:
    certificate = client.connection.get_peer_certificate(as_cryptography=True)
    assert certificate is not None
    return certificate.subject.rfc4514_string().removeprefix("CN=")


def was_resumed(context: ServerContext, earlier: MemoryClient) -> bool:
    handshake = new_handshake(context)
    shake_hands(MemoryClient(earlier=earlier), handshake)
    return established(handshake).resumed


# What is offered.


@pytest.mark.parametrize("version", TlsVersion)
def test_only_the_policys_versions_are_spoken(version: TlsVersion) -> None:
    context = new_context(terms=policy(tuple(suite for suite in SUITES if suite.version is version)))
    assert connect(context).connection.get_protocol_version_name() == version.label.replace(" ", "v")
    other = next(item for item in TlsVersion if item is not version)
    with pytest.raises(SSL.Error):
        connect_or_alert(context, Wishes(version=other))


def connect_or_alert(context: ServerContext, wishes: Wishes) -> None:
    """Raise the client's error, whatever the server's is."""
    connection = context.new_connection()
    client = MemoryClient(wishes)
    connection.bio_write(client.data_to_send())
    with pytest.raises(SSL.Error):
        connection.do_handshake()
    client.receive_data(connection.bio_read(65536))


def test_old_versions_are_refused() -> None:
    client = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client.set_cipher_list(b"ALL:@SECLEVEL=0")
    client.set_min_proto_version(SSL.TLS1_1_VERSION)
    client.set_max_proto_version(SSL.TLS1_1_VERSION)
    old = SSL.Connection(client, None)
    old.set_connect_state()
    server = new_context().new_connection()
    with pytest.raises(SSL.WantReadError):
        old.do_handshake()
    server.bio_write(old.bio_read(65536))
    with pytest.raises(SSL.Error, match="unsupported protocol"):
        server.do_handshake()


@pytest.mark.parametrize("version", TlsVersion)
@pytest.mark.parametrize("first", Cipher)
def test_the_server_prefers_as_the_policy_says(version: TlsVersion, first: Cipher) -> None:
    order = tuple(sorted(SUITES, key=lambda suite: suite.cipher is not first))
    client = connect(new_context(terms=policy(order)), Wishes(version=version))
    assert SUITE_BY_OPENSSL_NAME[client.connection.get_cipher_name() or ""].cipher is first


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.openssl_name)
def test_a_suite_that_the_policy_leaves_out_is_not_spoken(suite: Suite) -> None:
    others = tuple(item for item in SUITES if item.cipher is not suite.cipher)
    context = new_context(chain("p256"), chain("rsa"), terms=policy(others))
    with pytest.raises(SSL.Error):
        connect_or_alert(context, Wishes(suite=suite))


@pytest.mark.parametrize("group", ["X25519MLKEM768", "X25519", "P-256", "P-384"])
def test_groups_are_the_policys(group: str) -> None:
    handshake = new_handshake(new_context(terms=policy(groups=(group,))))
    shake_hands(MemoryClient(), handshake)
    openssl_names = {"P-256": "secp256r1", "P-384": "secp384r1", "X25519": "x25519"}
    assert established(handshake).group == openssl_names.get(group, group)


def test_a_group_that_openssl_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="doesn't know all of the groups Kyber"):
        new_context(terms=policy(groups=("Kyber",)))


def test_renegotiation_is_refused() -> None:
    """It would change the keys behind the kernel's back."""
    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_2)), new_handshake()
    shake_hands(client, handshake)
    assert client.connection.renegotiate()
    with pytest.raises(SSL.WantReadError):
        client.connection.do_handshake()
    handshake.connection.bio_write(client.data_to_send())
    with pytest.raises(SSL.WantReadError):
        handshake.connection.recv(1)
    # The answer is an alert (no_renegotiation, a warning), and no new handshake has begun.
    answer = handshake.connection.bio_read(65536)
    tx = established(handshake).tx
    assert tx is not None
    opened = RecordProtection(pack_crypto_info(tx.keys, tx.rec_seq)).open_all(answer)
    assert opened == [(21, b"\x01\x64")]


# Certificates.

KINDS = {"p256": "ECDSA", "p384": "ECDSA", "rsa": "RSA", "ed25519": "ECDSA"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", TlsVersion)
def test_every_kind_of_key_signs(kind: str, version: TlsVersion) -> None:
    wishes = Wishes(version=version, trusted=authority().certificate, server_name="localhost")
    client = connect(new_context(chain(kind)), wishes)
    assert subject(client) == f"{kind} localhost"
    if version is TlsVersion.TLS1_2:
        # Ed25519 goes with the ECDSA suites (RFC 8422 section 5.10).
        assert f"-{KINDS[kind]}-" in (client.connection.get_cipher_name() or "")


@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_of_several_kinds_the_client_gets_one_that_it_can_verify(kind: str) -> None:
    context = new_context(chain("p256"), chain("rsa"), chain("ed25519"))
    assert subject(connect(context)) == "p256 localhost"
    authentication = KINDS[kind]
    only = Wishes(version=TlsVersion.TLS1_2, cipher_list=f"ECDHE-{authentication}-AES128-GCM-SHA256")
    assert subject(connect(context, only)) == f"{kind} localhost"


@pytest.mark.parametrize("kind", ["p256", "rsa"])
def test_each_kind_keeps_its_own_chain(kind: str) -> None:
    chains = [chain(each, intermediate=f"middle of {each}") for each in ("p256", "rsa")]
    cipher_list = f"ECDHE-{KINDS[kind]}-AES128-GCM-SHA256"
    wishes = Wishes(version=TlsVersion.TLS1_2, cipher_list=cipher_list, trusted=authority().certificate)
    client = connect(new_context(*chains), wishes)
    sent = client.connection.get_peer_cert_chain(as_cryptography=True)
    assert sent is not None
    expected = [f"CN={kind} localhost", f"CN=middle of {kind}"]
    assert [certificate.subject.rfc4514_string() for certificate in sent] == expected


def by_name() -> ServerContext:
    return new_context(
        chain("p256", ("first.example",)),
        chain("p256", ("second.example", "also.example")),
        chain("rsa", ("second.example",)),
        chain("ed25519", ("*.wild.example",)),
    )


@pytest.mark.parametrize("version", TlsVersion)
@pytest.mark.parametrize(
    ("server_name", "expected"),
    [
        ("first.example", "p256 first.example"),
        ("second.example", "p256 second.example also.example"),
        ("also.example", "p256 second.example also.example"),
        ("SECOND.Example", "p256 second.example also.example"),
        ("a.wild.example", "ed25519 *.wild.example"),
        ("a.b.wild.example", "p256 first.example"),
        ("unknown.example", "p256 first.example"),
        ("", "p256 first.example"),
    ],
)
def test_the_server_name_chooses(server_name: str, expected: str, version: TlsVersion) -> None:
    client, handshake = MemoryClient(Wishes(version=version, server_name=server_name)), new_handshake(by_name())
    shake_hands(client, handshake)
    assert subject(client) == expected
    assert established(handshake).server_name == server_name
    # All contexts capture secrets alike: the keys fit, whichever was chosen.
    tx = established(handshake).tx
    assert tx is not None
    assert client.recv(RecordProtection(pack_crypto_info(tx.keys, tx.rec_seq)).seal(b"reply")) == b"reply"


def test_a_chosen_certificate_has_the_policy_too() -> None:
    wishes = Wishes(version=TlsVersion.TLS1_2, server_name="second.example", cipher_list="ECDHE-RSA-AES128-GCM-SHA256")
    assert subject(connect(by_name(), wishes)) == "rsa second.example"
    only = policy((AES_128,))
    context = new_context(chain("p256", ("a.example",)), chain("rsa", ("b.example",)), terms=only)
    for name in ("a.example", "b.example"):
        with pytest.raises(SSL.Error, match="protocol version"):
            connect_or_alert(context, replace(wishes, server_name=name))
        chosen = connect(context, Wishes(server_name=name, protocols=(b"http/1.1",)))
        assert chosen.connection.get_alpn_proto_negotiated() == b"http/1.1"


def test_a_key_that_does_not_fit_is_named() -> None:
    wrong = replace(chain("p256"), private_key=new_key("p256"))
    with pytest.raises(CertificateError, match=r"^p256.pem: OpenSSL can't use this certificate and key"):
        ServerContext(CertificateIndex([wrong]), policy())


def test_making_contexts_leaves_no_descriptor_open() -> None:
    before = open_descriptors()
    ServerContext(CertificateIndex([long_chain()]), policy())
    assert open_descriptors() == before


def open_descriptors() -> set[str]:
    return {link.name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}


def long_chain() -> CertificateChain:
    """Return a chain of more than 64 KiB of PEM, more than a pipe would hold."""
    one = chain("rsa", intermediate="middle of rsa")
    return replace(one, chain=one.chain * 120)


# Resumption.


@pytest.mark.parametrize("version", TlsVersion)
def test_any_connection_of_a_context_resumes_a_session(version: TlsVersion) -> None:
    context = new_context()
    earlier = connect(context, Wishes(version=version))
    assert was_resumed(context, earlier)


@pytest.mark.parametrize("version", TlsVersion)
def test_another_context_has_other_ticket_keys(version: TlsVersion) -> None:
    earlier = connect(new_context(), Wishes(version=version))
    assert not was_resumed(new_context(), earlier)


@pytest.mark.parametrize("version", TlsVersion)
def test_sessions_of_every_name_are_resumed(version: TlsVersion) -> None:
    """Tickets are sealed by the context that the connection began with, not by the one that its name chose."""
    context = by_name()
    for name in ("first.example", "second.example", "x.wild.example"):
        earlier = connect(context, Wishes(version=version, server_name=name))
        assert was_resumed(context, earlier)


def test_no_session_is_kept_in_memory() -> None:
    """It would be no use to the other workers, and would grow."""
    context = new_context()
    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_2, tickets=False)), new_handshake(context)
    shake_hands(client, handshake)
    # The server's half lives on: OpenSSL forgets sessions of connections that end without close_notify.
    assert not was_resumed(context, client)
    assert handshake.established is not None


@pytest.mark.parametrize("lifetime_s", [60, 7200])
def test_tickets_say_how_long_they_are_good(lifetime_s: int) -> None:
    terms = TlsPolicy((AES_128,), ("X25519",), session_lifetime_s=lifetime_s, capture_secrets=True)
    client, handshake = MemoryClient(), new_handshake(new_context(terms=terms))
    last_flight = shake_hands(client, handshake).server[-1]
    tx = established(handshake).tx
    assert tx is not None
    tickets = RecordProtection(pack_crypto_info(tx.keys, 0)).open_all(last_flight)
    # NewSessionTicket (RFC 8446 section 4.6.1): type, length, then ticket_lifetime.
    assert [int.from_bytes(content[4:8], "big") for _, content in tickets] == [lifetime_s, lifetime_s]


# Secrets.


def test_secrets_are_captured_for_each_connection_alone() -> None:
    context = new_context()
    captured: list[CapturedSecrets] = []
    for _ in range(2):
        handshake = new_handshake(context)
        captured.append(handshake.connection.get_app_data())
        shake_hands(MemoryClient(Wishes(version=TlsVersion.TLS1_3)), handshake)
    secrets = {secret for item in captured for secret in (item.client, item.server)}
    assert None not in secrets
    assert len(secrets) == 4


def test_tls12_leaves_nothing_in_the_key_log() -> None:
    handshake = new_handshake()
    captured: CapturedSecrets = handshake.connection.get_app_data()
    shake_hands(MemoryClient(Wishes(version=TlsVersion.TLS1_2)), handshake)
    assert (captured.client, captured.server, captured.failure) == (None, None, None)


def test_a_damaged_line_of_the_key_log_is_kept_as_a_failure() -> None:
    context = new_context()
    connection = context.new_connection()
    captured: CapturedSecrets = connection.get_app_data()
    _capture_secret(connection, b"SERVER_TRAFFIC_SECRET_0 only-two")
    assert isinstance(captured.failure, ValueError)
    assert (captured.client, captured.server) == (None, None)
