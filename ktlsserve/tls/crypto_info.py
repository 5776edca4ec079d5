"""The kernel's ``struct tls12_crypto_info_*`` (include/uapi/linux/tls.h), packed from traffic keys.

The nonce that the kernel builds has 12 bytes in both versions, but from different parts:

* TLS 1.3 (RFC 8446 section 5.3): the whole 12-byte write IV is XORed with the sequence number. The kernel wants its
  first four bytes as ``salt`` and the rest as ``iv`` for GCM, and all twelve as ``iv`` for ChaCha20.
* TLS 1.2 with GCM (RFC 5288 section 3): ``salt`` is the 4-byte write IV of the key block; ``iv`` is where the explicit
  nonce starts, which the kernel sends with each record and counts up itself.
* TLS 1.2 with ChaCha20 (RFC 7905 section 2): as in TLS 1.3, a 12-byte write IV.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from ktlsserve.tls.suites import Cipher, TlsVersion

MAX_REC_SEQ = 2**64 - 1


@dataclass(frozen=True, slots=True, repr=False)
class TrafficKeys:
    """One direction's key and IV.

    ``iv`` has 12 bytes, but for TLS 1.2 with GCM, where it is the 4-byte salt. No ``repr``: keys are never logged.
    """

    version: TlsVersion
    cipher: Cipher
    key: bytes
    iv: bytes


def pack_crypto_info(keys: TrafficKeys, rec_seq: int, explicit_nonce: bytes = bytes(8)) -> bytes:
    """Pack the option value for TLS_TX or TLS_RX.

    ``rec_seq`` is the number of the next record under these keys (0 to 2**64-1; big-endian in the structure, while
    version and cipher type are in host order). ``explicit_nonce`` (8 bytes) counts in TLS 1.2 with GCM only: random
    for sending, so that a nonce can't repeat even if the same key came back; ignored by the kernel for receiving.

    Raises ValueError where a size is wrong: the kernel would take a shifted key without complaint.
    """
    shape = keys.cipher.value
    if len(keys.key) != shape.key_bytes:
        raise ValueError(f"{keys.cipher.label} takes a key of {shape.key_bytes} bytes, not {len(keys.key)}")
    if not 0 <= rec_seq <= MAX_REC_SEQ:
        raise ValueError(f"rec_seq {rec_seq} is not a 64-bit number")
    salt, iv = _split_iv(keys, explicit_nonce)
    header = struct.pack("=HH", keys.version, shape.cipher_type)
    return header + iv + keys.key + salt + rec_seq.to_bytes(8, "big")


def _split_iv(keys: TrafficKeys, explicit_nonce: bytes) -> tuple[bytes, bytes]:
    """Return (salt, iv) as the structure wants them."""
    shape = keys.cipher.value
    if keys.version is TlsVersion.TLS1_2 and shape.salt_bytes:
        parts = keys.iv, explicit_nonce
    else:
        parts = keys.iv[: shape.salt_bytes], keys.iv[shape.salt_bytes :]
    if (len(parts[0]), len(parts[1])) != (shape.salt_bytes, shape.iv_bytes):
        raise ValueError(f"{keys.version.label} {keys.cipher.label}: an IV of {len(keys.iv)} bytes doesn't fit")
    return parts
