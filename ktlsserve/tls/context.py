"""The OpenSSL contexts that all handshakes of a server share.

They are made once, before the fork, so that every worker seals session tickets with the same keys and can resume the
sessions of all others; with ``ticket_keys`` those of other machines too. There is one context for each group of
certificates; the server name chooses among them.

The key-log callback is how the application secrets leave OpenSSL. It runs inside a C callback, where an exception would
be printed and lost: it is stashed, and raised again by ``Handshake``. The lines themselves are never logged.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from ktlsserve.errors import CertificateError
from ktlsserve.tls.certificates import CertificateChain, CertificateIndex
from ktlsserve.tls.client_certificates import ClientPolicy, verify_clients
from ktlsserve.tls.openssl_extra import set_groups
from ktlsserve.tls.suites import Suite, TlsVersion
from ktlsserve.tls.ticket_keys import TicketKey
from ktlsserve.tls.ticket_sealing import seal_tickets

_VERSION_NUMBER = {TlsVersion.TLS1_2: SSL.TLS1_2_VERSION, TlsVersion.TLS1_3: SSL.TLS1_3_VERSION}
_SESSION_ID_CONTEXT = b"ktlsserve"
# SSL_CTX_set_mode(3); pyOpenSSL sets it on every context and has no name for it.
_MODE_ENABLE_PARTIAL_WRITE = 1
# Registered ALPN protocol ids (RFC 7301 section 6), in order of preference.
_PROTOCOLS = (b"http/1.1", b"http/1.0")

# Whoever holds a connection's application secrets holds the connection, so nothing but these two lines is kept.
_CLIENT_SECRET = b"CLIENT_TRAFFIC_SECRET_0"
_SERVER_SECRET = b"SERVER_TRAFFIC_SECRET_0"


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """What is offered to clients.

    ``suites`` in order of preference, both versions mixed; ``groups`` by OpenSSL's names; ``session_lifetime_s`` how
    long a ticket can be resumed; ``capture_secrets`` whether the keys are wanted outside OpenSSL; ``clients`` whose
    certificates clients are asked for, None where they aren't; ``ticket_keys`` those of session tickets, of which the
    first seals, none where OpenSSL makes its own.
    """

    suites: tuple[Suite, ...]
    groups: tuple[str, ...]
    session_lifetime_s: int
    capture_secrets: bool
    clients: ClientPolicy | None = None
    ticket_keys: tuple[TicketKey, ...] = ()


class CapturedSecrets:
    """Application traffic secrets of one TLS 1.3 connection, filled in by the key-log callback.

    ``refusal`` says why the client's certificate was refused, if it was.
    """

    __slots__ = ("client", "failure", "refusal", "server")

    def __init__(self) -> None:
        self.client: bytes | None = None
        self.server: bytes | None = None
        self.failure: BaseException | None = None
        self.refusal = ""


class NoCommonProtocol(Exception):
    """The client's ALPN offer has no http/1.1; OpenSSL sends no_application_protocol (RFC 7301 section 3.2)."""


class ServerContext:
    """Makes the OpenSSL object of each new connection."""

    def __init__(self, index: CertificateIndex, policy: TlsPolicy) -> None:
        self.policy = policy
        self._index = index
        self._contexts = [_make_context(group, policy) for group in index.groups]
        if len(self._contexts) > 1:
            self._contexts[index.default].set_tlsext_servername_callback(self._choose_certificate)

    @property
    def chains(self) -> tuple[CertificateChain, ...]:
        """All certificates that are served, each once, in the order in which they were given."""
        return tuple(dict.fromkeys(chain for group in self._index.groups for chain in group))

    def new_connection(self) -> SSL.Connection:
        """Return a server-side connection over memory BIOs, its app data CapturedSecrets where wanted."""
        connection = SSL.Connection(self._contexts[self._index.default], None)
        if self.policy.capture_secrets or self.policy.clients is not None:
            connection.set_app_data(CapturedSecrets())
        connection.set_accept_state()
        return connection

    def _choose_certificate(self, connection: SSL.Connection) -> None:
        name = connection.get_servername()
        chosen = self._index.choose(name.decode("ascii", "replace") if name else None)
        if chosen != self._index.default:
            connection.set_context(self._contexts[chosen])


def _make_context(chains: Sequence[CertificateChain], policy: TlsPolicy) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    versions = sorted({suite.version for suite in policy.suites})
    context.set_min_proto_version(_VERSION_NUMBER[versions[0]])
    context.set_max_proto_version(_VERSION_NUMBER[versions[-1]])
    names: dict[TlsVersion, list[str]] = {version: [] for version in versions}
    for suite in policy.suites:
        names[suite.version].append(suite.openssl_name)
    if TlsVersion.TLS1_3 in names:
        context.set_tls13_ciphersuites(":".join(names[TlsVersion.TLS1_3]).encode("ascii"))
    if TlsVersion.TLS1_2 in names:
        context.set_cipher_list(":".join(names[TlsVersion.TLS1_2]).encode("ascii"))
    # Renegotiation would change keys behind the kernel's back; compression leaks lengths (CRIME).
    context.set_options(SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    # A connection that waits shouldn't hold 34 KiB of record buffers.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # One call encrypts all it is given: the BIO is memory, so there is no partial write to come back from.
    context.clear_mode(_MODE_ENABLE_PARTIAL_WRITE)
    set_groups(context, policy.groups)
    # Sessions live in tickets alone: a cache in one worker's memory is no use to the next.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(_session_id_context(policy))
    context.set_timeout(policy.session_lifetime_s)
    context.set_alpn_select_callback(_select_protocol)
    if policy.capture_secrets:
        context.set_keylog_callback(_capture_secret)
    if policy.ticket_keys:
        seal_tickets(context, policy.ticket_keys)
    if policy.clients is not None:
        verify_clients(context, policy.clients)
    for chain in chains:
        _use_chain(context, chain)
    return context


def _session_id_context(policy: TlsPolicy) -> bytes:
    """Name what a session must have been begun under to be resumed here; at most 32 bytes.

    A client's certificate isn't verified again then. Where tickets outlive the authorities and revocation lists that it
    was verified against, a session from under others must not be resumed.
    """
    if policy.clients is None or not policy.ticket_keys:
        return _SESSION_ID_CONTEXT
    return _SESSION_ID_CONTEXT + policy.clients.digest()[:16]


def _use_chain(context: SSL.Context, chain: CertificateChain) -> None:
    """Give the context one certificate with its own chain and key.

    ``add_extra_chain_cert`` would share one chain among certificates of all kinds; only the file call keeps a chain for
    each. It gets a file in memory with just the bytes that were checked.
    """
    try:
        pem = b"".join(item.public_bytes(Encoding.PEM) for item in (chain.leaf, *chain.chain))
        memory_file = os.memfd_create("ktlsserve-chain", os.MFD_CLOEXEC)
        try:
            os.write(memory_file, pem)
            context.use_certificate_chain_file(f"/proc/self/fd/{memory_file}")
        finally:
            os.close(memory_file)
        context.use_privatekey(chain.private_key)
        context.check_privatekey()
    except (SSL.Error, TypeError, ValueError) as error:
        raise CertificateError(f"{chain.source}: OpenSSL can't use this certificate and key: {error}") from error


def _select_protocol(_connection: SSL.Connection, offered: list[bytes]) -> bytes:
    for protocol in _PROTOCOLS:
        if protocol in offered:
            return protocol
    raise NoCommonProtocol(f"ALPN offers {b', '.join(offered)!r}, but not http/1.1")


def _capture_secret(connection: SSL.Connection, line: bytes) -> None:
    if not line.startswith((_CLIENT_SECRET, _SERVER_SECRET)):
        return
    secrets: CapturedSecrets = connection.get_app_data()
    try:
        label, _client_random, secret = line.split(b" ")
        if label == _CLIENT_SECRET:
            secrets.client = bytes.fromhex(secret.decode("ascii"))
        elif label == _SERVER_SECRET:
            secrets.server = bytes.fromhex(secret.decode("ascii"))
    except BaseException as error:  # noqa: BLE001 - nothing may leave a C callback; Handshake raises it again
        secrets.failure = error
