from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from ktlsserve.errors import HandshakeError
from ktlsserve.tls.client_certificates import ClientPolicy
from ktlsserve.tls.context import ServerContext
from ktlsserve.tls.handshake import Established, Handshake
from ktlsserve.tls.suites import TlsVersion
from tests.support.pki import NOW, TODAY_TOO, Issued, new_authority
from tests.support.tls_client import MemoryClient, Wishes, shake_hands
from tests.support.tls_server import chain, established, new_context, new_handshake, policy

ROOT = new_authority("Clients", days=TODAY_TOO)
DEPARTMENT = ROOT.issue("Department", authority=True, days=TODAY_TOO, usage=None)
STRANGER = new_authority("Strangers", days=TODAY_TOO)
ALICE = ROOT.issue_client("alice")
BOB = DEPARTMENT.issue_client("bob")
SUBJECT = "CN=alice"
EXPIRED_DAYS = (-7300, -7000)


def asking(
    *authorities: Issued, required: bool = True, crls: tuple[bytes, ...] = (), depth: int = 3, several: bool = False
) -> ServerContext:
    """Return a context that asks clients for certificates; with ``several``, one for each of two names."""
    clients = ClientPolicy(
        required=required,
        authorities=tuple(issued.certificate for issued in authorities or (ROOT,)),
        crls=tuple(map(x509.load_pem_x509_crl, crls)),
        depth=depth,
    )
    chains = (chain(), chain("p256", ("www.example.org",))) if several else ()
    return new_context(*chains, terms=replace(policy(), clients=clients))


def shown(context: ServerContext, *identity: Issued, version: TlsVersion = TlsVersion.TLS1_3) -> Established:
    """Return what a handshake comes to in which the client shows these certificates."""
    handshake = new_handshake(context)
    shake_hands(MemoryClient(Wishes(version=version, identity=identity)), handshake)
    return established(handshake)


def refusal(context: ServerContext, *identity: Issued, version: TlsVersion = TlsVersion.TLS1_3) -> tuple[str, str]:
    """Return why the server refuses these certificates, and what its alert says."""
    client, handshake = MemoryClient(Wishes(version=version, identity=identity)), new_handshake(context)
    with pytest.raises(HandshakeError) as refused:
        shake_hands(client, handshake)
    client.connection.bio_write(handshake.data_to_send())
    with pytest.raises(SSL.Error) as alert:
        # In TLS 1.3 the client is done by then, and hears of it when it reads.
        client.connection.recv(1) if client.done else client.connection.do_handshake()
    return str(refused.value), str(alert.value)


@pytest.mark.parametrize("version", TlsVersion)
@pytest.mark.parametrize("required", [True, False])
def test_a_good_certificate_is_known_by_its_subject(version: TlsVersion, required: bool) -> None:
    found = shown(asking(required=required), ALICE, version=version)
    assert found.client is not None
    assert found.client.subject == SUBJECT
    assert found.client.not_after_s == (NOW + timedelta(days=TODAY_TOO[1])).timestamp()


@pytest.mark.parametrize("version", TlsVersion)
def test_an_optional_certificate_may_be_missing(version: TlsVersion) -> None:
    assert shown(asking(required=False), version=version).client is None


@pytest.mark.parametrize("version", TlsVersion)
def test_a_required_certificate_may_not(version: TlsVersion) -> None:
    reason, alert = refusal(asking(), version=version)
    assert "peer did not return a certificate" in reason
    assert ("certificate required" if version is TlsVersion.TLS1_3 else "handshake failure") in alert


def test_who_does_not_ask_is_told_nothing() -> None:
    assert shown(new_context(), ALICE).client is None


@pytest.mark.parametrize("version", TlsVersion)
@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    ("identity", "reason", "alert"),
    [
        (ROOT.issue_client("late", days=EXPIRED_DAYS), "certificate has expired", "certificate expired"),
        (
            ROOT.issue_client("early", days=(7000, 7300)),
            "certificate is not yet valid or the system clock is incorrect",
            "bad certificate",
        ),
        (STRANGER.issue_client("mallory"), "unable to get local issuer certificate", "unknown ca"),
        (new_authority("self", days=TODAY_TOO), "self-signed certificate", "unknown ca"),
        (ROOT.issue("www", days=TODAY_TOO), "unsuitable certificate purpose", "unsupported certificate"),
        (BOB, "unable to get local issuer certificate", "unknown ca"),
    ],
    ids=["expired", "not yet valid", "wrong authority", "self-signed", "a server's", "without its intermediate"],
)
def test_a_bad_certificate_is_refused_with_its_reason(
    identity: Issued, reason: str, alert: str, required: bool, version: TlsVersion
) -> None:
    told, heard = refusal(asking(required=required), identity, version=version)
    assert told == f"client certificate refused: {reason} ({identity.certificate.subject.rfc4514_string()})"
    assert alert in heard


def test_intermediate_authorities_come_from_the_client() -> None:
    found = shown(asking(), BOB, DEPARTMENT)
    assert found.client is not None
    assert found.client.subject == "CN=bob"


def test_no_more_of_them_than_configured() -> None:
    assert shown(asking(depth=1), BOB, DEPARTMENT).client is not None
    reason, _ = refusal(asking(depth=0), BOB, DEPARTMENT)
    assert "certificate chain too long" in reason


def test_an_authority_is_trusted_without_its_own_issuer() -> None:
    context = asking(DEPARTMENT)
    assert shown(context, BOB).client is not None
    # And nobody else whom that issuer vouches for.
    reason, _ = refusal(context, ALICE)
    assert "unable to get local issuer certificate" in reason


def test_a_client_hears_whose_certificates_are_good() -> None:
    client, handshake = MemoryClient(Wishes(identity=(ALICE,))), new_handshake(asking(ROOT, DEPARTMENT))
    shake_hands(client, handshake)
    assert [name.CN for name in client.connection.get_client_ca_list()] == ["Clients", "Department"]


@pytest.mark.parametrize("version", TlsVersion)
@pytest.mark.parametrize("name", ["localhost", "www.example.org"])
def test_every_name_asks_its_clients(name: str, version: TlsVersion) -> None:
    context = asking(several=True)
    client = MemoryClient(Wishes(version=version, identity=(ALICE,), server_name=name))
    handshake = new_handshake(context)
    shake_hands(client, handshake)
    assert established(handshake).client is not None
    stranger = MemoryClient(Wishes(version=version, identity=(STRANGER.issue_client(),), server_name=name))
    with pytest.raises(HandshakeError, match="client certificate refused"):
        shake_hands(stranger, new_handshake(context))
    with pytest.raises(HandshakeError, match="did not return a certificate"):
        shake_hands(MemoryClient(Wishes(version=version, server_name=name)), new_handshake(context))


# Revocation.


def test_a_revoked_certificate_is_refused() -> None:
    other = ROOT.issue_client("other")
    context = asking(crls=(ROOT.revoke(other),))
    assert shown(context, ALICE).client is not None
    reason, alert = refusal(context, other)
    assert reason == "client certificate refused: certificate revoked (CN=other)"
    assert "certificate revoked" in alert


def test_lists_must_be_there_for_the_whole_chain_up_to_a_root() -> None:
    both = asking(crls=(ROOT.revoke(), DEPARTMENT.revoke()))
    assert shown(both, BOB, DEPARTMENT).client is not None
    reason, _ = refusal(asking(crls=(ROOT.revoke(),)), BOB, DEPARTMENT)
    assert "unable to get certificate CRL" in reason
    reason, _ = refusal(asking(crls=(ROOT.revoke(DEPARTMENT), DEPARTMENT.revoke())), BOB, DEPARTMENT)
    assert "certificate revoked (CN=Department)" in reason


def test_below_a_named_authority_only_the_issuers_list_is_asked() -> None:
    assert shown(asking(DEPARTMENT, crls=(DEPARTMENT.revoke(),)), BOB).client is not None
    reason, _ = refusal(asking(DEPARTMENT, crls=(DEPARTMENT.revoke(BOB),)), BOB)
    assert "certificate revoked (CN=bob)" in reason


def test_a_list_that_has_ended_is_none() -> None:
    reason, _ = refusal(asking(crls=(ROOT.revoke(days=EXPIRED_DAYS),)), ALICE)
    assert "CRL has expired" in reason


# Resumption.


def resume(context: ServerContext, version: TlsVersion, now_s: float) -> tuple[Handshake, MemoryClient]:
    """Let a client shake hands, and prepare its second handshake, in which it shows nothing but its ticket."""
    first, handshake = MemoryClient(Wishes(version=version, identity=(ALICE,))), new_handshake(context)
    shake_hands(first, handshake)
    if version is TlsVersion.TLS1_3:
        with pytest.raises(SSL.WantReadError):
            first.connection.recv(1)
    return new_handshake(context, now_s=now_s), MemoryClient(earlier=first)


@pytest.mark.parametrize("version", TlsVersion)
@pytest.mark.parametrize("required", [True, False])
def test_a_resumed_session_keeps_its_client(version: TlsVersion, required: bool) -> None:
    handshake, second = resume(asking(required=required), version, NOW.timestamp())
    flights = shake_hands(second, handshake)
    found = established(handshake)
    assert found.resumed
    assert found.client is not None
    assert found.client.subject == SUBJECT
    # It did so by its ticket: a certificate makes a client's flight much longer.
    assert sum(map(len, flights.client[1:])) < 200


@pytest.mark.parametrize("version", TlsVersion)
def test_a_session_does_not_outlive_its_certificate(version: TlsVersion) -> None:
    end = ALICE.certificate.not_valid_after_utc.timestamp()
    handshake, second = resume(asking(), version, end)
    shake_hands(second, handshake)
    assert established(handshake).client is not None
    handshake, second = resume(asking(), version, end + 1)
    with pytest.raises(HandshakeError, match=r"has expired since its session began \(CN=alice\)"):
        shake_hands(second, handshake)
    assert handshake.established is None
    # No ticket goes with it.
    assert handshake.data_to_send() == b""


def test_a_session_of_other_authorities_is_not_resumed() -> None:
    """A reload makes new contexts, which have new keys for tickets."""
    first, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_3, identity=(ALICE,))), new_handshake(asking())
    shake_hands(first, handshake)
    with pytest.raises(SSL.WantReadError):
        first.connection.recv(1)
    with pytest.raises(HandshakeError, match="client certificate refused"):
        shake_hands(MemoryClient(earlier=first), new_handshake(asking(STRANGER)))


# Warnings.


def test_doubts_are_told() -> None:
    late = new_authority("Late", days=EXPIRED_DAYS)
    crls = tuple(map(x509.load_pem_x509_crl, (ROOT.revoke(days=EXPIRED_DAYS), late.revoke())))
    authorities = tuple(issued.certificate for issued in (ROOT, DEPARTMENT, late))
    clients = ClientPolicy(required=True, authorities=authorities, crls=crls, depth=1)
    assert clients.warnings(datetime(2030, 1, 1, tzinfo=UTC)) == (
        "tls.client_crl: there is no list of CN=Department: its clients will be refused",
        "tls.client_ca: CN=Late expired on 2011-04-16 12:00 UTC",
        "tls.client_crl: the list of CN=Clients ended on 2011-04-16 12:00 UTC: its clients will be refused",
    )
    assert replace(clients, authorities=(ROOT.certificate,), crls=()).warnings(NOW) == ()


def test_a_long_subject_is_cut_in_the_log() -> None:
    units = [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"{number}{'x' * 63}") for number in range(8)]
    builder = x509.CertificateBuilder().subject_name(x509.Name(units)).issuer_name(STRANGER.certificate.subject)
    builder = builder.public_key(ALICE.key.public_key()).serial_number(1)
    builder = builder.not_valid_before(ALICE.certificate.not_valid_before_utc)
    builder = builder.not_valid_after(ALICE.certificate.not_valid_after_utc)
    verbose = Issued(builder.sign(STRANGER.key, hashes.SHA256()), ALICE.key)
    reason, _ = refusal(asking(), verbose)
    assert len(verbose.certificate.subject.rfc4514_string()) > 500
    assert len(reason) < 300
    assert reason.endswith("x)")


def test_a_subject_may_be_empty() -> None:
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(ROOT.certificate.subject)
    builder = builder.public_key(ALICE.key.public_key()).serial_number(2)
    builder = builder.not_valid_before(ALICE.certificate.not_valid_before_utc)
    builder = builder.not_valid_after(ALICE.certificate.not_valid_after_utc)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example.org")]), critical=True)
    nameless = Issued(builder.sign(ROOT.key, hashes.SHA256()), ALICE.key)
    found = shown(asking(), nameless)
    assert found.client is not None
    assert found.client.subject == ""
    reason, _ = refusal(asking(STRANGER), nameless)
    assert "(without a subject)" in reason
