"""Certificates of clients: which are good, who refuses the others with what reason, and what is kept of a good one.

OpenSSL verifies in the course of the handshake. What it makes of a bad certificate is an alert for the client, and
"certificate verify failed" for us: why, and whose it was, is told by the callback alone.

A resumed session is not verified again: the ticket holds the certificate that was, under keys that last as long as the
generation whose authorities and revocation lists were asked. Where the keys are given and last longer, sessions are
bound to ``ClientPolicy.digest`` instead. Only its own end may have come meanwhile, so that is looked at each time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL, crypto

from ktlsserve.errors import CertificateError, HandshakeError
from ktlsserve.tls.openssl_extra import verify_error_text

MINUTE = "%Y-%m-%d %H:%M"
# What strangers call themselves, in the log: a name that says something is shorter.
_LOGGED_CHARACTERS = 200


class _Refused(Protocol):
    """The connection's app data, as far as it is of use here."""

    refusal: str


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What is kept of a client's certificate: its subject as RFC 4514 writes it, and its end, in seconds since 1970."""

    subject: str
    not_after_s: float


@dataclass(frozen=True, slots=True, eq=False)
class ClientPolicy:
    """Whose certificates are good for clients.

    ``required`` says that there is no service without one; ``depth`` is the most intermediate authorities between one
    of ``authorities`` and a client. With ``crls`` the lists must be there for every certificate that they are asked of.
    """

    required: bool
    authorities: tuple[x509.Certificate, ...]
    crls: tuple[x509.CertificateRevocationList, ...]
    depth: int

    def digest(self) -> bytes:
        """Return 32 bytes that are others for any other policy, on every machine."""
        hasher = hashlib.sha256(f"{self.required} {self.depth} {len(self.authorities)}".encode("ascii"))
        ders = [authority.public_bytes(Encoding.DER) for authority in self.authorities]
        ders += [crl.public_bytes(Encoding.DER) for crl in self.crls]
        for der in ders:
            hasher.update(hashlib.sha256(der).digest())
        return hasher.digest()

    def warnings(self, now: datetime) -> tuple[str, ...]:
        """Return why clients will be refused that should perhaps not be."""
        found = []
        for authority in self.authorities:
            subject = authority.subject.rfc4514_string()
            if now > authority.not_valid_after_utc:
                found.append(f"tls.client_ca: {subject} expired on {authority.not_valid_after_utc:{MINUTE}} UTC")
            if self.crls and not any(crl.issuer == authority.subject for crl in self.crls):
                found.append(f"tls.client_crl: there is no list of {subject}: its clients will be refused")
        for crl in self.crls:
            end = crl.next_update_utc
            if end is not None and now > end:
                issuer = crl.issuer.rfc4514_string()
                found.append(
                    f"tls.client_crl: the list of {issuer} ended on {end:{MINUTE}} UTC: its clients will be refused"
                )
        return tuple(found)


def verify_clients(context: SSL.Context, policy: ClientPolicy) -> None:
    """Have a context ask its clients for certificates; raises CertificateError where OpenSSL can't use the policy."""
    mode = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if policy.required else 0)
    context.set_verify(mode, _note_refusal)
    context.set_verify_depth(policy.depth)
    store = context.get_cert_store()
    if store is None:
        raise CertificateError("tls.client_ca: OpenSSL has no place for it")
    try:
        for authority in policy.authorities:
            store.add_cert(crypto.X509.from_cryptography(authority))
            # The names that are sent to clients, which choose among their certificates by them.
            context.add_client_ca(authority)
        for crl in policy.crls:
            store.add_crl(crl)
    except (crypto.Error, SSL.Error, TypeError, ValueError) as error:
        raise CertificateError(f"tls.client_ca: OpenSSL can't use it: {error}") from error
    store.set_flags(_store_flags(policy))


def peer_certificate(connection: SSL.Connection) -> ClientCertificate | None:
    """Return what the client has shown, in this handshake or in that of the session which it resumed.

    Raises HandshakeError for a certificate that OpenSSL takes and that can't be read nevertheless.
    """
    try:
        certificate = connection.get_peer_certificate(as_cryptography=True)
        if certificate is None:
            return None
        return ClientCertificate(certificate.subject.rfc4514_string(), certificate.not_valid_after_utc.timestamp())
    except (ValueError, x509.InvalidVersion) as error:
        raise HandshakeError(f"the client certificate can't be read: {error}") from error


def _store_flags(policy: ClientPolicy) -> int:
    """Decide how chains are built and looked up.

    An authority named in the file is where a chain ends, be it a root or not. Revocation lists are asked of the whole
    chain only where it ends in a root: OpenSSL would ask for the list of a named authority's own issuer, too.
    """
    flags = crypto.X509StoreFlags.PARTIAL_CHAIN
    if policy.crls:
        flags |= crypto.X509StoreFlags.CRL_CHECK
        if all(authority.issuer == authority.subject for authority in policy.authorities):
            flags |= crypto.X509StoreFlags.CRL_CHECK_ALL
    return flags


def _note_refusal(connection: SSL.Connection, certificate: crypto.X509, error: int, _depth: int, good: int) -> bool:
    """Note why OpenSSL refuses a certificate; this runs in a C callback, and never changes its verdict."""
    if not good:
        refused: _Refused = connection.get_app_data()
        refused.refusal = f"{verify_error_text(error)} ({_subject(certificate)})"
    return bool(good)


def _subject(certificate: crypto.X509) -> str:
    try:
        subject = certificate.to_cryptography().subject.rfc4514_string()
    except (ValueError, x509.InvalidVersion):
        return "subject unreadable"
    return subject[:_LOGGED_CHARACTERS] or "without a subject"
