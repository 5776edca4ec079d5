from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ktlsserve.tls import self_signed as module
from ktlsserve.tls.certificate_files import parse_certificates
from ktlsserve.tls.certificates import CertificateIndex, KeyKind
from ktlsserve.tls.self_signed import FILE_NAME, new_self_signed, self_signed, state_folder

NOW = datetime(2030, 6, 15, 12, 0, tzinfo=UTC)


def certificate_of(pem: bytes) -> x509.Certificate:
    return parse_certificates(pem, "test")[0]


def test_it_is_made_once_and_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "state" / "ktlsserve"
    first = self_signed(folder, NOW)
    assert first.source == str(folder / FILE_NAME)
    assert first.key_kind is KeyKind.ECDSA
    assert f"made a self-signed certificate: {folder / FILE_NAME}" in caplog.messages
    again = self_signed(folder, NOW + timedelta(days=100))
    assert again.leaf == first.leaf
    assert again.private_key.public_key() == first.leaf.public_key()


def test_only_its_owner_can_get_at_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        self_signed(tmp_path / "ktlsserve", NOW)
    finally:
        os.umask(before)
    assert (tmp_path / "ktlsserve").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "ktlsserve" / FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in (tmp_path / "ktlsserve").iterdir()] == [FILE_NAME]


def test_servers_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        chains = list(pool.map(lambda _: self_signed(tmp_path / "new" / "ktlsserve", NOW), range(16)))
    assert len({chain.leaf.serial_number for chain in chains}) == 1


def test_it_names_this_machine_and_fits_what_clients_check() -> None:
    certificate = certificate_of(new_self_signed("box.example", NOW))
    extensions = certificate.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "box.example"]
    assert names.get_values_for_type(x509.IPAddress) == [IPv4Address("127.0.0.1"), IPv6Address("::1")]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lifetime == timedelta(days=397)
    assert certificate.not_valid_before_utc == NOW - timedelta(hours=1)


@pytest.mark.parametrize("host_name", ["localhost", "not a name", "", "b\u00fccher"])
def test_a_host_name_that_is_none_is_left_out(host_name: str) -> None:
    names = certificate_of(new_self_signed(host_name, NOW)).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_trusts_it_connects(tmp_path: Path, host: str) -> None:
    chain = self_signed(tmp_path, datetime.now(UTC))
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(chain.source)
    client_context = ssl.create_default_context(cafile=chain.source)
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(to_client, to_server, server_hostname=host)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    client.do_handshake()
    assert client.getpeercert(binary_form=True) == ssl.PEM_cert_to_DER_cert(
        Path(chain.source).read_text().split("KEY-----\n")[-1]
    )


@pytest.mark.parametrize(
    ("later", "same"),
    [
        (timedelta(days=389), True),
        (timedelta(days=391), False),
        (timedelta(days=500), False),
        (timedelta(hours=-2), False),
    ],
)
def test_it_is_renewed_before_it_expires(tmp_path: Path, later: timedelta, same: bool) -> None:
    first = self_signed(tmp_path, NOW)
    second = self_signed(tmp_path, NOW + later)
    assert (second.leaf == first.leaf) is same
    assert second.leaf == self_signed(tmp_path, NOW + later).leaf
    assert second.warnings(NOW + later) == ()


@pytest.mark.parametrize("content", [b"", b"rubbish", b"-----BEGIN CERTIFICATE-----\n"])
def test_a_damaged_one_is_replaced_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    (tmp_path / FILE_NAME).chmod(0o600)
    chain = self_signed(tmp_path, NOW)
    assert "the kept self-signed certificate is replaced" in caplog.messages[0]
    assert self_signed(tmp_path, NOW).leaf == chain.leaf


def test_one_that_others_could_read_is_replaced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = self_signed(tmp_path, NOW)
    (tmp_path / FILE_NAME).chmod(0o640)
    second = self_signed(tmp_path, NOW)
    assert second.leaf != first.leaf
    assert "others than its owner could get at the key" in caplog.text
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600


def test_what_a_killed_process_left_behind_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "self-signed.new").write_bytes(b"half")
    assert self_signed(tmp_path, NOW).source == str(tmp_path / FILE_NAME)


def break_folder_is_a_file(tmp_path: Path) -> Path:
    (tmp_path / "state").write_bytes(b"")
    return tmp_path / "state"


def break_file_is_a_folder(tmp_path: Path) -> Path:
    (tmp_path / FILE_NAME).mkdir()
    return tmp_path


def break_file_is_a_link(tmp_path: Path) -> Path:
    (tmp_path / FILE_NAME).symlink_to("/dev/null")
    return tmp_path


@pytest.mark.parametrize("break_it", [break_folder_is_a_file, break_file_is_a_folder, break_file_is_a_link])
def test_where_it_cannot_be_kept_it_lives_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, break_it: Callable[[Path], Path]
) -> None:
    folder = break_it(tmp_path)
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    chain = self_signed(folder, NOW)
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    assert chain.source == "self-signed certificate in memory"
    assert CertificateIndex([chain]).choose("localhost") == 0
    assert "can't be kept, clients will see another one next time" in caplog.text
    assert str(folder) in caplog.text


def test_the_usual_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_folder({"XDG_STATE_HOME": "/state", "HOME": "/home/me"}) == Path("/state/ktlsserve")
    assert state_folder({"HOME": "/home/me"}) == Path("/home/me/.local/state/ktlsserve")
    assert state_folder({"XDG_STATE_HOME": "relative", "HOME": "/home/me"}) == Path("/home/me/.local/state/ktlsserve")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert self_signed(None, NOW).source == str(tmp_path / "ktlsserve" / FILE_NAME)


def test_without_a_home_it_lives_in_memory(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    assert module.self_signed(None, NOW).names == ("localhost", "box", "127.0.0.1", "::1")
    assert "there is no home directory" in caplog.text
