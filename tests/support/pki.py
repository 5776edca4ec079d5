"""Certificates made for tests: an authority, intermediate ones, and servers with keys of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
NOW = datetime(2030, 6, 15, 12, 0, tzinfo=UTC)
# Days around NOW that hold today, too, for what is verified by the real clock.
TODAY_TOO = (-7300, 7300)
KINDS = ("rsa", "p256", "p384", "ed25519")


def new_key(kind: str = "p256") -> Key:
    match kind:
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "rsa1024":
            return rsa.generate_private_key(65537, 1024)
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            curves: dict[str, ec.EllipticCurve] = {
                "p256": ec.SECP256R1(),
                "p384": ec.SECP384R1(),
                "p521": ec.SECP521R1(),
            }
            return ec.generate_private_key(curves[kind])


@dataclass(frozen=True)
class Issued:
    """A certificate and its key; ``issue`` makes another that it signs."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def encrypted_key_pem(self, passphrase: bytes) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase))

    def issue(
        self,
        common_name: str,
        names: Sequence[str] = (),
        *,
        kind: str = "p256",
        key: Key | None = None,
        authority: bool = False,
        days: tuple[int, int] = (-1, 90),
        usage: ObjectIdentifier | None = ExtendedKeyUsageOID.SERVER_AUTH,
    ) -> Issued:
        """Sign a certificate for ``names``; ``days`` are those from ``NOW`` to its first and last moment.

        Without ``key``, a new one of ``kind`` is made for it.
        """
        return _sign(self, common_name, names, key or new_key(kind), authority=authority, days=days, usage=usage)

    def issue_client(
        self, common_name: str = "alice", *, kind: str = "p256", days: tuple[int, int] = TODAY_TOO
    ) -> Issued:
        """Sign a client's certificate."""
        return self.issue(common_name, kind=kind, days=days, usage=ExtendedKeyUsageOID.CLIENT_AUTH)

    def revoke(self, *revoked: Issued, days: tuple[int, int] = TODAY_TOO) -> bytes:
        """Sign a list of revoked certificates, as PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(NOW + timedelta(days=days[0]))
            .next_update(NOW + timedelta(days=days[1]))
        )
        for issued in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(issued.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(NOW + timedelta(days=days[0])).build())
        digest = None if isinstance(self.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
        return builder.sign(self.key, digest).public_bytes(Encoding.PEM)


def new_authority(common_name: str = "Root", *, kind: str = "p256", days: tuple[int, int] = (-1, 3650)) -> Issued:
    """Make a self-signed authority; ``days`` are those from ``NOW`` to its first and last moment."""
    return _sign(None, common_name, (), new_key(kind), authority=True, days=days, usage=None)


def write_pair(folder: Path, stem: str, issued: Issued, *chain: Issued) -> tuple[Path, Path]:
    """Write ``STEM.pem`` (with its chain) and ``STEM.key``; return their paths."""
    certificate_file, key_file = folder / f"{stem}.pem", folder / f"{stem}.key"
    certificate_file.write_bytes(b"".join(item.pem for item in (issued, *chain)))
    key_file.write_bytes(issued.key_pem)
    return certificate_file, key_file


def _sign(
    issuer: Issued | None,
    common_name: str,
    names: Sequence[str],
    key: Key,
    *,
    authority: bool,
    days: tuple[int, int],
    usage: ObjectIdentifier | None,
) -> Issued:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=days[0]))
        .not_valid_after(NOW + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    signer = issuer.key if issuer else key
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(builder.sign(signer, digest), key)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
