from __future__ import annotations

import sys

import pytest

from ktlsserve.tls.crypto_info import MAX_REC_SEQ, TrafficKeys, pack_crypto_info
from ktlsserve.tls.suites import Cipher, TlsVersion
from tests.support.record_protection import RecordProtection, unpack_crypto_info

KEY = bytes(range(0x40, 0x60))
IV = bytes(range(0xA0, 0xAC))
NONCE = b"explicit"
# sizeof(struct tls12_crypto_info_*) of include/uapi/linux/tls.h; setsockopt takes no other length.
SIZES = {Cipher.AES_128_GCM: 40, Cipher.AES_256_GCM: 56, Cipher.CHACHA20_POLY1305: 56}


def keys(version: TlsVersion, cipher: Cipher) -> TrafficKeys:
    iv_bytes = 12 if version is TlsVersion.TLS1_3 else cipher.value.fixed_iv_bytes
    return TrafficKeys(version, cipher, KEY[: cipher.value.key_bytes], IV[:iv_bytes])


BOTH = [(version, cipher) for version in TlsVersion for cipher in Cipher]


@pytest.mark.parametrize(("version", "cipher"), BOTH)
def test_sizes_are_the_kernels(version: TlsVersion, cipher: Cipher) -> None:
    assert len(pack_crypto_info(keys(version, cipher), 0)) == SIZES[cipher]


@pytest.mark.parametrize(
    ("version", "cipher", "expected"),
    [
        # iv, key, salt: for GCM in TLS 1.3 the salt is the *first* part of the write IV.
        (TlsVersion.TLS1_3, Cipher.AES_128_GCM, IV[4:] + KEY[:16] + IV[:4]),
        (TlsVersion.TLS1_3, Cipher.AES_256_GCM, IV[4:] + KEY + IV[:4]),
        (TlsVersion.TLS1_3, Cipher.CHACHA20_POLY1305, IV + KEY),
        (TlsVersion.TLS1_2, Cipher.AES_128_GCM, NONCE + KEY[:16] + IV[:4]),
        (TlsVersion.TLS1_2, Cipher.AES_256_GCM, NONCE + KEY + IV[:4]),
        (TlsVersion.TLS1_2, Cipher.CHACHA20_POLY1305, IV + KEY),
    ],
)
def test_fields_lie_as_in_the_kernels_structure(version: TlsVersion, cipher: Cipher, expected: bytes) -> None:
    option = pack_crypto_info(keys(version, cipher), 0x0102030405060708, NONCE)
    assert int.from_bytes(option[:2], sys.byteorder) == version
    assert int.from_bytes(option[2:4], sys.byteorder) == cipher.value.cipher_type
    assert option[4:-8] == expected
    # The record number is big-endian on every machine.
    assert option[-8:] == bytes(range(1, 9))


def test_the_explicit_nonce_is_zeros_unless_given() -> None:
    option = pack_crypto_info(keys(TlsVersion.TLS1_2, Cipher.AES_128_GCM), 0)
    assert unpack_crypto_info(option).iv == bytes(8)


@pytest.mark.parametrize(("version", "cipher"), BOTH)
def test_only_gcm_in_tls12_has_an_explicit_nonce(version: TlsVersion, cipher: Cipher) -> None:
    matters = version is TlsVersion.TLS1_2 and cipher is not Cipher.CHACHA20_POLY1305
    option = pack_crypto_info(keys(version, cipher), 0, NONCE)
    assert (NONCE in option) == matters


@pytest.mark.parametrize(("version", "cipher"), BOTH)
@pytest.mark.parametrize("rec_seq", [0, 1, 255, 256, 2**32, MAX_REC_SEQ])
def test_the_record_number_is_where_the_kernel_looks_for_it(version: TlsVersion, cipher: Cipher, rec_seq: int) -> None:
    assert unpack_crypto_info(pack_crypto_info(keys(version, cipher), rec_seq)).rec_seq == rec_seq


@pytest.mark.parametrize("rec_seq", [-1, MAX_REC_SEQ + 1])
def test_a_record_number_of_more_than_64_bits_is_refused(rec_seq: int) -> None:
    with pytest.raises(ValueError, match="not a 64-bit number"):
        pack_crypto_info(keys(TlsVersion.TLS1_3, Cipher.AES_128_GCM), rec_seq)


@pytest.mark.parametrize(("version", "cipher"), BOTH)
@pytest.mark.parametrize("change", [-1, 1])
def test_wrong_sizes_are_refused(version: TlsVersion, cipher: Cipher, change: int) -> None:
    good = keys(version, cipher)
    shape = cipher.value
    bad_key = TrafficKeys(version, cipher, bytes(shape.key_bytes + change), good.iv)
    with pytest.raises(ValueError, match=f"takes a key of {shape.key_bytes} bytes, not {shape.key_bytes + change}"):
        pack_crypto_info(bad_key, 0)
    bad_iv = TrafficKeys(version, cipher, good.key, bytes(len(good.iv) + change))
    with pytest.raises(ValueError, match=f"an IV of {len(good.iv) + change} bytes doesn't fit"):
        pack_crypto_info(bad_iv, 0)


def test_an_explicit_nonce_of_the_wrong_size_is_refused() -> None:
    with pytest.raises(ValueError, match="doesn't fit"):
        pack_crypto_info(keys(TlsVersion.TLS1_2, Cipher.AES_256_GCM), 0, b"short")


def test_records_of_two_numbers_differ_in_their_nonces() -> None:
    """The model of the kernel itself: a record number more or less, and nothing opens."""
    first, second = (
        RecordProtection(pack_crypto_info(keys(TlsVersion.TLS1_3, Cipher.AES_256_GCM), number)) for number in (7, 8)
    )
    records = [first.seal(b"same"), first.seal(b"same")]
    assert records[0] != records[1]
    assert records[1] == second.seal(b"same")


@pytest.mark.parametrize(("version", "cipher"), BOTH)
def test_keys_are_not_shown(version: TlsVersion, cipher: Cipher) -> None:
    secret = keys(version, cipher)
    for text in (repr(secret), str(secret), repr([secret])):
        assert repr(secret.key) not in text
        assert secret.key.hex() not in text
        assert repr(secret.iv) not in text
