"""A self-signed certificate for localhost: made once, kept, and renewed in time.

It is kept in one file, key and certificate together, so that no reader ever sees the two apart; the file can be given
to ``curl --cacert``. A lock on the folder makes servers that start at once agree on one certificate. A key that others
could have read is thrown away.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import stat
from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ktlsserve.address import HOST_NAME
from ktlsserve.errors import CertificateError
from ktlsserve.tls.certificate_files import LARGEST_FILE_BYTES, pair, parse_certificates, parse_private_key
from ktlsserve.tls.certificates import CertificateChain

logger = logging.getLogger(__name__)

FILE_NAME = "self-signed.pem"
# Browsers refuse certificates that are valid for longer than 398 days (CA/Browser Forum ballot SC31).
LIFETIME = timedelta(days=397)
# A client's clock may be a little behind.
BACKDATED = timedelta(hours=1)
# A server that starts now shouldn't run into the end within a week.
RENEWED_BEFORE_END = timedelta(days=7)


def self_signed(directory: Path | None, now: datetime) -> CertificateChain:
    """Return the certificate kept in ``directory``, or a new one that is kept there from now on.

    ``directory`` None is ``state_folder()``. Where nothing can be kept, the certificate lives in memory only, and a
    warning is logged. ``now`` has a time zone.
    """
    try:
        return _kept(state_folder(os.environ) if directory is None else directory, now)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        logger.warning(
            "the self-signed certificate can't be kept, clients will see another one next time: %s%s",
            where,
            error.strerror,
        )
    return _chain(new_self_signed(socket.gethostname(), now), "self-signed certificate in memory")


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return where a program keeps what it makes for itself (XDG Base Directory Specification 0.8).

    Raises FileNotFoundError if there is no home.
    """
    base = Path(environ.get("XDG_STATE_HOME", ""))
    # The specification: relative paths are to be ignored.
    if not base.is_absolute():
        base = Path(environ.get("HOME", "")) / ".local" / "state"
    if not base.is_absolute():
        raise FileNotFoundError(0, "there is no home directory (HOME isn't set)")
    return base / "ktlsserve"


def new_self_signed(host_name: str, now: datetime) -> bytes:
    """Make a key (ECDSA P-256) and a certificate for localhost, the loopback addresses and ``host_name``; PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ktlsserve self-signed certificate")])
    hosts = ["localhost"]
    if HOST_NAME.fullmatch(host_name) and host_name != "localhost":
        hosts.append(host_name)
    alternatives: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
    alternatives += [x509.IPAddress(IPv4Address("127.0.0.1")), x509.IPAddress(IPv6Address("::1"))]
    public_key = key.public_key()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now - BACKDATED + LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        # No authority: whoever trusts this certificate must not trust what its key signs.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_signs_handshakes(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key), critical=False)
        .sign(key, hashes.SHA256())
    )
    private_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private_pem + certificate.public_bytes(Encoding.PEM)


def _kept(folder: Path, now: datetime) -> CertificateChain:
    """Return the kept certificate, renewed if it must be; raise OSError if it can't be kept."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder_fd, fcntl.LOCK_EX)
        file = folder / FILE_NAME
        chain = _usable(file, now)
        if chain is None:
            pem = new_self_signed(socket.gethostname(), now)
            _write(file, pem)
            logger.info("made a self-signed certificate: %s", file)
            chain = _chain(pem, str(file))
        return chain
    finally:
        # Closing gives the lock back.
        os.close(folder_fd)


def _usable(file: Path, now: datetime) -> CertificateChain | None:
    """Return the certificate in ``file`` if it is there and good for a while, else None; the log says why."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & 0o077:
            logger.warning("%s is replaced: others than its owner could get at the key in it", file)
            return None
        pem = os.read(descriptor, LARGEST_FILE_BYTES)
    finally:
        os.close(descriptor)
    try:
        chain = _chain(pem, str(file))
    except CertificateError as error:
        logger.warning("the kept self-signed certificate is replaced: %s", error)
        return None
    if not chain.leaf.not_valid_before_utc <= now < chain.not_after - RENEWED_BEFORE_END:
        logger.info("%s is renewed: it is valid until %s", file, chain.not_after)
        return None
    return chain


def _write(file: Path, pem: bytes) -> None:
    """Put the file in place whole, readable for its owner alone."""
    # The lock on the folder keeps others out; what a killed process left behind is overwritten.
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(pem)
        stream.flush()
        os.fsync(descriptor)
    draft.replace(file)


def _chain(pem: bytes, source: str) -> CertificateChain:
    return pair(parse_certificates(pem, source), parse_private_key(pem, source), source, source)


def _signs_handshakes() -> x509.KeyUsage:
    """Allow what TLS with (EC)DHE needs and nothing more: digital signatures."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
