from __future__ import annotations

import hmac
import random
from dataclasses import replace
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ktlsserve.tls.client_certificates import ClientPolicy
from ktlsserve.tls.context import ServerContext
from ktlsserve.tls.openssl_extra import session_reused
from ktlsserve.tls.suites import TlsVersion
from ktlsserve.tls.ticket_keys import TicketKey, unpack_ticket_key
from tests.support.tls_client import MemoryClient, Wishes, shake_hands
from tests.support.tls_server import authority, new_context, new_handshake, policy

OLD, NEW, SHORT = (
    unpack_ticket_key(random.Random(seed).randbytes(size), "key") for seed, size in enumerate((80, 80, 48))
)
VERSIONS = [TlsVersion.TLS1_2, TlsVersion.TLS1_3]


def context(*keys: TicketKey, clients: ClientPolicy | None = None) -> ServerContext:
    """Make a context as another machine would that has the same files."""
    return new_context(terms=replace(policy(), ticket_keys=keys, clients=clients))


def begin(server: ServerContext, version: TlsVersion) -> MemoryClient:
    """Have a client that has a ticket of ``server``."""
    client, handshake = MemoryClient(Wishes(version=version)), new_handshake(server)
    shake_hands(client, handshake)
    client.recv()
    return client


def resumes(client: MemoryClient, server: ServerContext) -> bool:
    """Tell whether ``server`` resumes what ``client`` began; OpenSSL's clients use a ticket once only."""
    second, handshake = MemoryClient(earlier=client), new_handshake(server)
    shake_hands(second, handshake)
    assert handshake.established is not None
    assert handshake.established.resumed == session_reused(second.connection)
    return session_reused(second.connection)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", [NEW, SHORT], ids=["80 bytes", "48 bytes"])
def test_another_context_with_the_key_resumes(key: TicketKey, version: TlsVersion) -> None:
    assert resumes(begin(context(key), version), context(key))
    assert not resumes(begin(context(key), version), context(OLD))
    assert not resumes(begin(context(key), version), new_context())
    assert not resumes(begin(new_context(), version), context(key))


@pytest.mark.parametrize("version", VERSIONS)
def test_keys_are_changed_without_breaking_a_session(version: TlsVersion) -> None:
    """On all machines: first the new key is added, then put first, then the old one is taken away."""
    steps = [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]
    for before, after in pairwise(steps):
        # Whichever has gone ahead.
        assert resumes(begin(context(*before), version), context(*after))
        assert resumes(begin(context(*after), version), context(*before))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_ticket_under_an_old_key_is_replaced(version: TlsVersion) -> None:
    client = begin(context(OLD), version)
    second, handshake = MemoryClient(earlier=client), new_handshake(context(NEW, OLD))
    shake_hands(second, handshake)
    second.recv()
    assert session_reused(second.connection)
    # What it has now needs the old key no longer.
    assert resumes(second, context(NEW))


def test_the_ticket_is_sealed_as_the_file_says() -> None:
    """RFC 5077 section 4: name, initialisation vector, what is encrypted, and a MAC over all of that."""
    client, handshake = MemoryClient(Wishes(version=TlsVersion.TLS1_2)), new_handshake(context(NEW))
    sent = b"".join(shake_hands(client, handshake).server)
    at = sent.index(NEW.name)
    size = int.from_bytes(sent[at - 2 : at])
    ticket = sent[at : at + size]
    sealed, mac = ticket[:-32], ticket[-32:]
    assert hmac.digest(NEW.mac_key, sealed, "sha256") == mac
    opened = Cipher(algorithms.AES(NEW.cipher_key), modes.CBC(sealed[16:32])).decryptor().update(sealed[32:])
    # SSL_SESSION in ASN.1: a SEQUENCE.
    assert opened[:1] == b"\x30"
    assert b"ktlsserve" in opened


def test_a_session_is_bound_to_the_clients_that_were_asked_for() -> None:
    """A revocation list that has been added since must be asked: nobody would, at a resumption."""
    asked = ClientPolicy(required=False, authorities=(authority().certificate,), crls=(), depth=3)

    def begun() -> MemoryClient:
        return begin(context(NEW, clients=asked), TlsVersion.TLS1_3)

    assert resumes(begun(), context(NEW, clients=replace(asked)))
    assert not resumes(begun(), context(NEW, clients=replace(asked, depth=2)))
    assert not resumes(begun(), context(NEW))
    crl = x509.load_pem_x509_crl(authority().revoke())
    assert not resumes(begun(), context(NEW, clients=replace(asked, crls=(crl,))))
