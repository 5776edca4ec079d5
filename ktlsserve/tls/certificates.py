"""Certificate chains, and which of them serves a name.

A server may have several certificates: for several names, and for one name with keys of several kinds, of which OpenSSL
picks one that the client can verify. So certificates are gathered in groups, one OpenSSL context for each: a group is
what one server name gets, at most one certificate of each kind of key. The name comes from the client's server_name
extension (RFC 6066 section 3); whether it fits a certificate is decided as clients do (RFC 9525 section 6.3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID

MINUTE = "%Y-%m-%d %H:%M"

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey


class KeyKind(Enum):
    """Kinds of keys of which an OpenSSL context holds one each; all curves of ECDSA are one kind."""

    RSA = "RSA"
    ECDSA = "ECDSA"
    ED25519 = "Ed25519"


@dataclass(frozen=True, slots=True, eq=False)
class CertificateChain:
    """A server certificate with its key and what leads to its root.

    ``names`` are the DNS names of the leaf's subjectAltName in lower case, wildcards as they are, and its IP addresses
    as text; the common name doesn't count (RFC 9525 section 1.1). ``chain`` is what follows the leaf, in order.
    ``source`` says where it came from, for messages.
    """

    names: tuple[str, ...]
    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey = field(repr=False)
    key_kind: KeyKind
    not_after: datetime
    source: str

    def warnings(self, now: datetime) -> tuple[str, ...]:
        """Return why clients will refuse this chain, if they will; each complete with its source.

        These are no errors: a server with an expired certificate is better than none, and clients may be told to
        accept anything.
        """
        found = []
        for certificate in (self.leaf, *self.chain):
            subject = certificate.subject.rfc4514_string() or "without a subject"
            if now > certificate.not_valid_after_utc:
                found.append(f"certificate {subject} expired on {certificate.not_valid_after_utc:{MINUTE}} UTC")
            if now < certificate.not_valid_before_utc:
                found.append(
                    f"certificate {subject} isn't valid before {certificate.not_valid_before_utc:{MINUTE}} UTC"
                )
        if not self.names:
            found.append("no name in the certificate's subjectAltName: clients will accept it for none")
        usage = _extended_key_usage(self.leaf)
        if (
            usage is not None
            and not {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE} & usage
        ):
            found.append("the certificate's extendedKeyUsage doesn't allow servers (serverAuth)")
        return tuple(f"{self.source}: {message}" for message in found)


class CertificateIndex:
    """Which certificates serve which server name.

    ``groups`` are tuples of chains with keys of distinct kinds; ``default`` is the position of the one that serves
    clients who name no server or one that no certificate is for: the first certificate's. Of several certificates of
    one kind for one name, the first given is used, and an exact name goes before a wildcard.
    """

    __slots__ = ("_group_of_name", "default", "groups")

    def __init__(self, chains: Sequence[CertificateChain]) -> None:
        if not chains:
            raise ValueError("no certificates")
        groups: list[tuple[CertificateChain, ...]] = []
        self._group_of_name: dict[str, int] = {}
        first = chains[0]
        default = _covering(chains, first.names[0]) if first.names else (first,)
        self.default = _position(groups, default)
        for name in dict.fromkeys(name for chain in chains for name in chain.names):
            self._group_of_name[name] = _position(groups, _covering(chains, name))
        self.groups = tuple(groups)

    def choose(self, server_name: str | None) -> int:
        """Return the position of the group for the name that the client asks for."""
        if server_name is None:
            return self.default
        name = normal_name(server_name)
        group = self._group_of_name.get(name)
        if group is None:
            group = self._group_of_name.get(wildcard_of(name), self.default)
        return group

    def unused(self, chains: Iterable[CertificateChain]) -> tuple[CertificateChain, ...]:
        """Return those of ``chains`` that no client gets, because earlier ones serve all their names."""
        used = {id(chain) for group in self.groups for chain in group}
        return tuple(chain for chain in chains if id(chain) not in used)


def normal_name(name: str) -> str:
    """Return a DNS name in the form that is compared: lower case, without the dot of the root.

    Names are compared as they are on the wire: internationalised ones as A-labels (``xn--...``, RFC 9525 section 6.3).
    """
    return name.removesuffix(".").lower()


def wildcard_of(name: str) -> str:
    """Return the only wildcard that ``name`` fits: its first label, whole, is the asterisk (RFC 9525 section 6.3)."""
    first, dot, rest = name.partition(".")
    # "*..x" and "*." are no wildcards of anything, and an asterisk that a client sends is no name.
    return f"*.{rest}" if dot and rest and first not in {"", "*"} else ""


def subject_names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the DNS names (in normal form) and IP addresses of a certificate's subjectAltName.

    Raises ValueError when the extension is malformed.
    """
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    names = [normal_name(name) for name in extension.value.get_values_for_type(x509.DNSName)]
    addresses = [str(address) for address in extension.value.get_values_for_type(x509.IPAddress)]
    return tuple(dict.fromkeys(names + addresses))


def _covering(chains: Sequence[CertificateChain], name: str) -> tuple[CertificateChain, ...]:
    """Return the chains that serve ``name``: for each kind of key the first exact one, else the first wildcard."""
    found: dict[KeyKind, CertificateChain] = {}
    for pattern in (name, wildcard_of(name)):
        for chain in chains:
            if pattern in chain.names:
                found.setdefault(chain.key_kind, chain)
    return tuple(chain for chain in chains if chain in found.values())


def _position(groups: list[tuple[CertificateChain, ...]], group: tuple[CertificateChain, ...]) -> int:
    """Return where ``group`` is in ``groups``, after putting it there if it is new."""
    if group not in groups:
        groups.append(group)
    return groups.index(group)


def _extended_key_usage(certificate: x509.Certificate) -> set[x509.ObjectIdentifier] | None:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return None
