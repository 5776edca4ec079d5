from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from loadtests.baselines.quic.implementation import MAX_DATAGRAM_BYTES, NAMES, load
from loadtests.bench.certificate import make_certificate


@pytest.mark.parametrize("name", NAMES)
def test_certificate_and_key_may_stand_in_one_file_or_in_two(tmp_path: Path, name: str) -> None:
    pem, key, certificate = (tmp_path / part for part in ("both.pem", "key.pem", "certificate.pem"))
    make_certificate(pem)
    private = load_pem_private_key(pem.read_bytes(), None)
    # The older form, which openssl ecparam still writes.
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    certificate.write_text(pem.read_text()[pem.read_text().index("-----BEGIN CERTIFICATE") :])
    for files in ((pem, pem), (certificate, key)):
        configuration = load(name).configuration(*files)
        assert configuration.certificate is not None
        assert configuration.private_key is not None
        assert configuration.max_datagram_size == MAX_DATAGRAM_BYTES == 1452


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_certificate_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "pem").write_text("nothing\n")
    with pytest.raises(ValueError, match="PEM"):
        load(name).configuration(tmp_path / "pem", tmp_path / "pem")
    with pytest.raises(FileNotFoundError):
        load(name).configuration(tmp_path / "nowhere", tmp_path / "pem")
