from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ktlsserve.errors import EXIT_STARTUP, CertificateError
from ktlsserve.tls.certificate_files import (
    LARGEST_FILE_BYTES,
    load_chain,
    parse_certificates,
    parse_private_key,
    read_authorities,
    read_certificates,
    read_crls,
    read_private_key,
)
from ktlsserve.tls.certificates import KeyKind
from tests.support.pki import NOW, Issued, new_authority, new_key, write_pair

KIND_OF = {"rsa": KeyKind.RSA, "p256": KeyKind.ECDSA, "p384": KeyKind.ECDSA, "ed25519": KeyKind.ED25519}


@pytest.fixture(scope="module")
def root() -> Issued:
    return new_authority("Root")


@pytest.fixture(scope="module")
def middle(root: Issued) -> Issued:
    return root.issue("Middle", authority=True)


@pytest.fixture(scope="module")
def leaf(middle: Issued) -> Issued:
    return middle.issue("leaf", ["a.example"])


@pytest.mark.parametrize("kind", KIND_OF)
@pytest.mark.parametrize("authority_kind", ["rsa", "p384", "ed25519"])
def test_a_chain_is_loaded_with_its_key(tmp_path: Path, kind: str, authority_kind: str) -> None:
    authority = new_authority("Root", kind=authority_kind)
    issued = authority.issue("leaf", ["a.example"], kind=kind)
    certificate_file, key_file = write_pair(tmp_path, "a", issued, authority)
    chain = load_chain(certificate_file, key_file)
    assert chain.leaf == issued.certificate
    assert chain.chain == (authority.certificate,)
    assert chain.private_key.public_key() == issued.key.public_key()
    assert chain.key_kind is KIND_OF[kind]
    assert chain.names == ("a.example",)
    assert chain.source == str(certificate_file)


def test_certificate_and_key_may_be_in_one_file_in_any_order(tmp_path: Path, leaf: Issued) -> None:
    for number, content in enumerate(
        (leaf.key_pem + leaf.pem, leaf.pem + leaf.key_pem, b"text\n" + leaf.pem + leaf.key_pem)
    ):
        file = tmp_path / f"{number}.pem"
        file.write_bytes(content)
        assert load_chain(file, file).leaf == leaf.certificate


def test_older_spellings_of_keys_are_read(tmp_path: Path) -> None:
    for kind in ("rsa", "p256"):
        key = new_key(kind)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        assert parse_private_key(pem, "old.key").public_key() == key.public_key()


def test_each_certificate_must_have_issued_one_before_it(root: Issued, middle: Issued, leaf: Issued) -> None:
    assert len(parse_certificates(leaf.pem + middle.pem + root.pem, "a.pem")) == 3
    with pytest.raises(CertificateError, match=r"a\.pem: certificate 2 \(CN=Root\) is the issuer of none before it"):
        parse_certificates(leaf.pem + root.pem + middle.pem, "a.pem")


def test_an_issuer_of_the_right_name_with_another_key_is_told_apart(leaf: Issued) -> None:
    impostor = new_authority("Middle")
    with pytest.raises(CertificateError, match="is the issuer of none before it"):
        parse_certificates(leaf.pem + impostor.pem, "a.pem")


def test_where_a_signature_cannot_be_checked_the_names_decide(root: Issued) -> None:
    # X25519 signs nothing, so whether this one signed the leaf can't be told.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Middle")])
    unknown = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(root.certificate.subject)
        .public_key(X25519PrivateKey.generate().public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(root.key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    assert len(parse_certificates(new_authority("Middle").issue("leaf").pem + unknown, "a.pem")) == 2
    with pytest.raises(CertificateError, match="is the issuer of none before it"):
        parse_certificates(new_authority("Other").issue("leaf").pem + unknown, "a.pem")


def test_cross_signed_issuers_may_follow_each_other(root: Issued, leaf: Issued, middle: Issued) -> None:
    # RFC 8446 section 4.4.2: several paths may be sent.
    second_root = new_authority("Second root")
    cross_signed = second_root.issue("Middle", authority=True, key=middle.key)
    assert len(parse_certificates(leaf.pem + middle.pem + cross_signed.pem + root.pem + second_root.pem, "a.pem")) == 5


def problem(tmp_path: Path, certificate: bytes, key: bytes) -> str:
    (tmp_path / "a.pem").write_bytes(certificate)
    (tmp_path / "a.key").write_bytes(key)
    with pytest.raises(CertificateError) as raised:
        load_chain(tmp_path / "a.pem", tmp_path / "a.key")
    assert raised.value.exit_status == EXIT_STARTUP
    return str(raised.value).replace(f"{tmp_path}/", "")


def test_a_key_of_another_certificate_is_refused(tmp_path: Path, leaf: Issued) -> None:
    other = Issued(leaf.certificate, new_key())
    assert (
        problem(tmp_path, leaf.pem, other.key_pem) == "a.key: the key isn't that of the certificate in a.pem (CN=leaf)"
    )


def test_a_chain_that_begins_with_the_issuer_says_which_is_the_servers(
    tmp_path: Path, middle: Issued, root: Issued
) -> None:
    message = problem(tmp_path, middle.pem + root.pem, root.key_pem)
    assert message == "a.pem: the key is that of certificate 2; put the server's certificate first"


def test_an_encrypted_key_says_how_to_decrypt_it(tmp_path: Path, leaf: Issued) -> None:
    message = problem(tmp_path, leaf.pem, leaf.encrypted_key_pem(b"secret"))
    assert "the private key is encrypted" in message
    assert "openssl pkey -in a.key -out PLAIN.key" in message


def test_swapped_files_are_noticed(tmp_path: Path, leaf: Issued) -> None:
    assert problem(tmp_path, leaf.key_pem, leaf.pem) == (
        "a.pem: no certificate in it; it holds a private key: are certificate and key swapped?"
    )
    assert problem(tmp_path, leaf.pem, leaf.pem) == (
        "a.key: no private key in it; it holds a certificate: are certificate and key swapped?"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"nothing", "it must be PEM"),
        (b"\x30\x82\x01", "it must be PEM"),
        (b"x" * (LARGEST_FILE_BYTES + 1), "is larger than"),
    ],
)
def test_files_that_hold_something_else_are_refused(tmp_path: Path, leaf: Issued, content: bytes, message: str) -> None:
    assert message in problem(tmp_path, content, leaf.key_pem)
    assert message in problem(tmp_path, leaf.pem, content)


def test_damaged_pem_is_refused(tmp_path: Path, leaf: Issued) -> None:
    cut = leaf.pem.replace(b"MII", b"MIA", 1)
    assert "a certificate in it is damaged" in problem(tmp_path, cut, leaf.key_pem)
    cut_key = leaf.key_pem.replace(b"MI", b"MA", 1)
    assert "the private key is damaged" in problem(tmp_path, leaf.pem, cut_key)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"/no\.pem: can't be read: No such file or directory"):
        read_certificates(tmp_path / "no.pem")
    with pytest.raises(CertificateError, match=r"can't be read: Is a directory"):
        read_private_key(tmp_path)


def test_unreadable_files_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, _mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    # Root, who runs tests in containers, may read everything.
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(CertificateError, match=r"^a\.key: can't be read: Permission denied"):
        read_private_key(Path("a.key"))


@pytest.mark.parametrize(("kind", "message"), [("rsa1024", "RSA key of 1024 bits is too weak"), ("p521", "secp521r1")])
def test_keys_that_clients_refuse_are_refused(root: Issued, kind: str, message: str) -> None:
    with pytest.raises(CertificateError, match=message) as raised:
        parse_private_key(root.issue("leaf", kind=kind).key_pem, "a.key")
    assert "ktlsserve takes RSA of 2048 bits or more" in str(raised.value)


def test_keys_that_tls_has_no_use_for_are_refused() -> None:
    pem = dsa.generate_private_key(1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(CertificateError, match=r"is no key for a server|unknown kind"):
        parse_private_key(pem, "a.key")


# What clients' certificates are verified with.


def test_authorities_are_read_in_any_order(tmp_path: Path, root: Issued, middle: Issued) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(middle.pem + new_authority("Other").pem + root.pem)
    subjects = [authority.subject.rfc4514_string() for authority in read_authorities(file)]
    assert subjects == [middle.certificate.subject.rfc4514_string(), "CN=Other", "CN=Root"]


def test_who_signs_nobody_is_no_authority(tmp_path: Path, root: Issued, leaf: Issued) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(root.pem + leaf.pem)
    with pytest.raises(CertificateError, match=r"ca\.pem: certificate 2 \(CN=.*\) is no authority; name"):
        read_authorities(file)


def test_an_old_root_does_not_say_that_it_is_an_authority(tmp_path: Path, root: Issued) -> None:
    builder = x509.CertificateBuilder().subject_name(root.certificate.subject).issuer_name(root.certificate.subject)
    builder = builder.public_key(root.key.public_key()).serial_number(1)
    builder = builder.not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    old = builder.sign(root.key, hashes.SHA256())
    file = tmp_path / "ca.pem"
    file.write_bytes(old.public_bytes(Encoding.PEM))
    assert read_authorities(file) == (old,)


def test_lists_of_revoked_certificates_are_read(tmp_path: Path, root: Issued, leaf: Issued) -> None:
    file = tmp_path / "crl.pem"
    file.write_bytes(b"of today\n" + root.revoke(leaf) + new_authority("Other").revoke())
    first, second = read_crls(file)
    assert first.get_revoked_certificate_by_serial_number(leaf.certificate.serial_number) is not None
    assert (len(first), len(second)) == (1, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"nothing", "no certificate revocation list in it; it must be PEM"),
        (new_authority().pem, "no certificate revocation list in it; it must be PEM"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "a certificate revocation list in it is damaged"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "crl.pem"
    file.write_bytes(content)
    with pytest.raises(CertificateError, match=rf"crl\.pem: {message}"):
        read_crls(file)


@pytest.mark.parametrize("read", [read_authorities, read_crls])
def test_a_missing_file_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(CertificateError, match=r"missing\.pem: can't be read: No such file"):
        read(tmp_path / "missing.pem")
