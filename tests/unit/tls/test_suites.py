from __future__ import annotations

from typing import get_args

import pytest
from OpenSSL import SSL

from ktlsserve.config.tls import CipherName
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME, SUITES, Cipher, Suite, TlsVersion

# include/uapi/linux/tls.h: TLS_CIPHER_*, then the sizes of IV, KEY and SALT.
KERNEL = {
    Cipher.AES_128_GCM: (51, 8, 16, 4),
    Cipher.AES_256_GCM: (52, 8, 32, 4),
    Cipher.CHACHA20_POLY1305: (54, 12, 32, 0),
}


@pytest.mark.parametrize("cipher", Cipher)
def test_numbers_and_sizes_are_the_kernels(cipher: Cipher) -> None:
    shape = cipher.value
    assert (shape.cipher_type, shape.iv_bytes, shape.key_bytes, shape.salt_bytes) == KERNEL[cipher]


def test_versions_are_those_on_the_wire() -> None:
    assert (TlsVersion.TLS1_2, TlsVersion.TLS1_3) == (0x0303, 0x0304)
    assert [version.label for version in TlsVersion] == ["TLS 1.2", "TLS 1.3"]


def test_labels_are_those_of_the_configuration() -> None:
    assert {cipher.label for cipher in Cipher} == set(get_args(CipherName))
    assert all(Cipher.from_label(cipher.label) is cipher for cipher in Cipher)
    with pytest.raises(KeyError):
        Cipher.from_label("AES-128-CCM")


def test_every_version_has_every_cipher() -> None:
    assert len(SUITES) == 9
    assert {(suite.version, suite.cipher) for suite in SUITES} == {
        (version, cipher) for version in TlsVersion for cipher in Cipher
    }


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.openssl_name)
def test_openssl_knows_the_suite_by_this_name(suite: Suite) -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    if suite.version is TlsVersion.TLS1_3:
        context.set_tls13_ciphersuites(suite.openssl_name.encode())
        context.set_min_proto_version(SSL.TLS1_3_VERSION)
    else:
        context.set_cipher_list(suite.openssl_name.encode())
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
    assert suite.openssl_name in SSL.Connection(context, None).get_cipher_list()
    assert SUITE_BY_OPENSSL_NAME[suite.openssl_name] is suite


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.openssl_name)
def test_the_hash_is_the_one_in_the_suites_name(suite: Suite) -> None:
    # RFC 7905 section 2: the ChaCha20 suites use SHA-256, which OpenSSL leaves out of their TLS 1.2 names.
    assert suite.hash_name == ("sha384" if "SHA384" in suite.openssl_name else "sha256")
