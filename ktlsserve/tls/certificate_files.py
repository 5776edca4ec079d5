"""Read certificate chains and private keys from PEM files, and say clearly what is wrong with them."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ktlsserve.errors import CertificateError
from ktlsserve.tls.certificates import CertificateChain, KeyKind, PrivateKey, subject_names

# The longest chains with the largest keys have some 20 KiB; a path that leads to something else must not fill memory.
LARGEST_FILE_BYTES = 1024 * 1024
# OpenSSL's security level 2, and what browsers insist on (CA/Browser Forum baseline requirements section 6.1.5).
SMALLEST_RSA_BITS = 2048
PEM_HINT = "it must be PEM (lines between -----BEGIN ... and -----END ...)"
# What cryptography raises for certificates that it can't parse.
DAMAGED = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_CRL = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
KEYS_TAKEN = "ktlsserve takes RSA of 2048 bits or more, ECDSA P-256 or P-384, and Ed25519"


def load_chain(certificate_file: Path, key_file: Path) -> CertificateChain:
    """Return the chain in one file with the key in another, or in the same one.

    Raises CertificateError, which names the file and says what to do.
    """
    certificates = read_certificates(certificate_file)
    return pair(certificates, read_private_key(key_file), str(certificate_file), str(key_file))


def read_certificates(file: Path) -> tuple[x509.Certificate, ...]:
    """Return the certificates in a PEM file, of which each is the issuer of one before it.

    Raises CertificateError.
    """
    return parse_certificates(_read(file), str(file))


def parse_certificates(pem: bytes, source: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates in PEM text, as ``read_certificates`` does; ``source`` is named in errors."""
    certificates = _load_certificates(pem, source)
    for position, certificate in enumerate(certificates[1:], start=1):
        if not any(_may_have_issued(certificate, earlier) for earlier in certificates[:position]):
            raise CertificateError(
                f"{source}: certificate {position + 1} ({_subject(certificate)}) is the issuer of none before it; "
                "put the server's certificate first, then its issuer's, and so on"
            )
    return certificates


def read_authorities(file: Path) -> tuple[x509.Certificate, ...]:
    """Return the authorities in a PEM file, in no particular order; raise CertificateError."""
    certificates = _load_certificates(_read(file), str(file))
    for position, certificate in enumerate(certificates, start=1):
        try:
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except x509.ExtensionNotFound:
            # As old roots are.
            continue
        if not constraints.ca:
            raise CertificateError(
                f"{file}: certificate {position} ({_subject(certificate)}) is no authority; "
                "name those that sign the certificates of clients"
            )
    return certificates


def read_crls(file: Path) -> tuple[x509.CertificateRevocationList, ...]:
    """Return the certificate revocation lists in a PEM file; raise CertificateError."""
    blocks = _CRL.findall(_read(file))
    if not blocks:
        raise CertificateError(f"{file}: no certificate revocation list in it; {PEM_HINT}")
    try:
        return tuple(map(x509.load_pem_x509_crl, blocks))
    except DAMAGED as error:
        raise CertificateError(f"{file}: a certificate revocation list in it is damaged: {error}") from error


def read_private_key(file: Path) -> PrivateKey:
    """Return the private key in a PEM file; raise CertificateError."""
    return parse_private_key(_read(file), str(file))


def parse_private_key(pem: bytes, source: str) -> PrivateKey:
    """Return the private key in PEM text, as ``read_private_key`` does; ``source`` is named in errors."""
    if b"PRIVATE KEY-----" not in pem:
        swapped = b"-----BEGIN CERTIFICATE-----" in pem
        hint = "it holds a certificate: are certificate and key swapped?" if swapped else PEM_HINT
        raise CertificateError(f"{source}: no private key in it; {hint}")
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise CertificateError(
            f"{source}: the private key is encrypted, and there is nobody to ask for the passphrase; "
            f"decrypt it: openssl pkey -in {source} -out PLAIN.key"
        ) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(f"{source}: the private key is damaged or of an unknown kind: {error}") from error
    match key:
        case RSAPrivateKey() if key.key_size < SMALLEST_RSA_BITS:
            raise CertificateError(f"{source}: an RSA key of {key.key_size} bits is too weak; {KEYS_TAKEN}")
        case EllipticCurvePrivateKey() if not isinstance(key.curve, SECP256R1 | SECP384R1):
            raise CertificateError(f"{source}: clients don't know ECDSA keys on {key.curve.name}; {KEYS_TAKEN}")
        case RSAPrivateKey() | EllipticCurvePrivateKey() | Ed25519PrivateKey():
            return key
        case _:
            raise CertificateError(f"{source}: {type(key).__name__} is no key for a server; {KEYS_TAKEN}")


def pair(certificates: tuple[x509.Certificate, ...], key: PrivateKey, source: str, key_source: str) -> CertificateChain:
    """Put a chain and its key together; raise CertificateError if the key isn't the first certificate's."""
    leaf, *others = certificates
    public_key = key.public_key()
    if leaf.public_key() != public_key:
        position = next((at for at, other in enumerate(others, start=2) if other.public_key() == public_key), None)
        if position is not None:
            raise CertificateError(
                f"{source}: the key is that of certificate {position}; put the server's certificate first"
            )
        raise CertificateError(f"{key_source}: the key isn't that of the certificate in {source} ({_subject(leaf)})")
    return CertificateChain(
        names=subject_names(leaf),
        leaf=leaf,
        chain=tuple(others),
        private_key=key,
        key_kind=_kind(key),
        not_after=leaf.not_valid_after_utc,
        source=source,
    )


def _kind(key: PrivateKey) -> KeyKind:
    if isinstance(key, RSAPrivateKey):
        return KeyKind.RSA
    return KeyKind.ECDSA if isinstance(key, EllipticCurvePrivateKey) else KeyKind.ED25519


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise CertificateError(f"{file}: can't be read: {error.strerror}") from error
    if not data.strip():
        raise CertificateError(f"{file}: is empty")
    if len(data) > LARGEST_FILE_BYTES:
        raise CertificateError(f"{file}: is larger than {LARGEST_FILE_BYTES} bytes; is it a PEM file?")
    return data


def _load_certificates(pem: bytes, source: str) -> tuple[x509.Certificate, ...]:
    if b"-----BEGIN CERTIFICATE-----" not in pem:
        hint = "it holds a private key: are certificate and key swapped?" if b"PRIVATE KEY-----" in pem else PEM_HINT
        raise CertificateError(f"{source}: no certificate in it; {hint}")
    try:
        certificates = tuple(x509.load_pem_x509_certificates(pem))
        for certificate in certificates:
            _parse_parts(certificate)
    except DAMAGED as error:
        raise CertificateError(f"{source}: a certificate in it is damaged: {error}") from error
    return certificates


def _parse_parts(certificate: x509.Certificate) -> None:
    """Ask for the parts that are parsed only when they are asked for, so that damage in them comes out here."""
    certificate.public_key()
    certificate.subject.rfc4514_string()
    certificate.issuer.rfc4514_string()
    subject_names(certificate)


def _may_have_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Tell whether one certificate signed another; where the algorithm is unknown, the names decide."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, InvalidSignature):
        return False
    except (TypeError, UnsupportedAlgorithm):
        return certificate.issuer == issuer.subject
    return True


def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "without a subject"
