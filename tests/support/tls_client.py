"""A TLS client of OpenSSL's over memory: the peer that the handshake is tested against."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from OpenSSL import SSL, crypto

from ktlsserve.tls.handshake import Handshake
from ktlsserve.tls.openssl_extra import set_groups
from ktlsserve.tls.suites import Suite, TlsVersion
from tests.support.pki import NOW, Issued

_NUMBER = {TlsVersion.TLS1_2: SSL.TLS1_2_VERSION, TlsVersion.TLS1_3: SSL.TLS1_3_VERSION}


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a client asks for; None and empty mean OpenSSL's defaults.

    ``trusted`` makes it verify the server's chain (at pki.NOW); otherwise it takes any. ``cipher_list`` is that of
    TLS 1.2 in OpenSSL's words. ``identity`` is what it shows to a server that asks: its certificate and those above.
    """

    suite: Suite | None = None
    version: TlsVersion | None = None
    cipher_list: str = ""
    groups: tuple[str, ...] = ()
    protocols: tuple[bytes, ...] = ()
    server_name: str = ""
    tickets: bool = True
    trusted: x509.Certificate | None = None
    identity: tuple[Issued, ...] = ()


class MemoryClient:
    """``receive_data`` then ``data_to_send``, as the server's half; ``send`` and ``recv`` once ``done``.

    With ``earlier``, another client that has finished and (in TLS 1.3) received a ticket, it asks for a resumption.
    """

    def __init__(self, wishes: Wishes | None = None, *, earlier: MemoryClient | None = None) -> None:
        self.wishes: Wishes = wishes or (earlier.wishes if earlier else Wishes())
        # pyOpenSSL lends sessions only to connections of the same context.
        self._context: SSL.Context = earlier._context if earlier else _context(self.wishes)
        self.connection = SSL.Connection(self._context, None)
        self.connection.set_connect_state()
        self.done = False
        if self.wishes.server_name:
            self.connection.set_tlsext_host_name(self.wishes.server_name.encode())
        if earlier is not None:
            session = earlier.connection.get_session()
            assert session is not None
            self.connection.set_session(session)
        self.receive_data(b"")

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the server; raises SSL.Error as OpenSSL does."""
        if data:
            self.connection.bio_write(data)
        if not self.done:
            try:
                self.connection.do_handshake()
            except SSL.WantReadError:
                return
            self.done = True

    def data_to_send(self) -> bytes:
        """Return what OpenSSL has put out."""
        return drain(self.connection)

    def send(self, data: bytes) -> bytes:
        """Return the records that protect ``data``."""
        while data:
            data = data[self.connection.send(data) :]
        return self.data_to_send()

    def recv(self, records: bytes = b"") -> bytes:
        """Return what is in ``records``, as far as there is plaintext; raises SSL.Error for a bad one."""
        if records:
            self.connection.bio_write(records)
        plaintext = b""
        while True:
            try:
                plaintext += self.connection.recv(65536)
            except SSL.WantReadError:
                return plaintext


@dataclass
class Flights:
    """What each side sent in a handshake, one entry for each turn."""

    client: list[bytes] = field(default_factory=list)
    server: list[bytes] = field(default_factory=list)


def shake_hands(client: MemoryClient, handshake: Handshake) -> Flights:
    """Run a handshake to its end on both sides; the server reads as much as it wants each time."""
    flights = Flights()
    while not (client.done and handshake.established is not None):
        sent = client.data_to_send()
        assert sent or flights.server[-1:] != [b""], "both sides wait"
        flights.client.append(sent)
        while sent:
            count = handshake.wanted
            handshake.receive_data(sent[:count])
            sent = sent[count:]
        answer = handshake.data_to_send()
        flights.server.append(answer)
        client.receive_data(answer)
    return flights


def drain(connection: SSL.Connection) -> bytes:
    """Return all that a connection over memory has put out."""
    output = b""
    while True:
        try:
            output += connection.bio_read(65536)
        except SSL.WantReadError:
            return output


def _context(wishes: Wishes) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    version = wishes.suite.version if wishes.suite else wishes.version
    if version is not None:
        context.set_min_proto_version(_NUMBER[version])
        context.set_max_proto_version(_NUMBER[version])
    if wishes.suite is not None and version is TlsVersion.TLS1_3:
        context.set_tls13_ciphersuites(wishes.suite.openssl_name.encode())
    elif wishes.suite is not None:
        context.set_cipher_list(wishes.suite.openssl_name.encode())
    if wishes.cipher_list:
        context.set_cipher_list(wishes.cipher_list.encode())
    if wishes.groups:
        set_groups(context, wishes.groups)
    if wishes.protocols:
        context.set_alpn_protos(list(wishes.protocols))
    if not wishes.tickets:
        context.set_options(SSL.OP_NO_TICKET)
    _identify(context, wishes.identity)
    if wishes.trusted is not None:
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(crypto.X509.from_cryptography(wishes.trusted))
        store.set_time(NOW)
        context.set_verify(SSL.VERIFY_PEER)
    return context


def _identify(context: SSL.Context, identity: tuple[Issued, ...]) -> None:
    if identity:
        own, *above = identity
        context.use_certificate(own.certificate)
        context.use_privatekey(own.key)
        for issued in above:
            context.add_extra_chain_cert(issued.certificate)
