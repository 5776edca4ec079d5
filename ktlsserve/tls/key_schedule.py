"""From the secrets of a finished handshake to the keys of its records, in both protocol versions.

Pure functions over bytes, on the standard library's ``hmac.digest`` (one C call; 7.6 µs for a key and an IV against
34 µs for each HKDFExpand object of the cryptography package).
"""

from __future__ import annotations

import hmac
import struct
from functools import lru_cache
from hashlib import new as new_hash

from ktlsserve.tls.crypto_info import TrafficKeys
from ktlsserve.tls.suites import Suite

TLS13_IV_BYTES = 12


def hkdf_expand_label(secret: bytes, label: bytes, context: bytes, length: int, hash_name: str) -> bytes:
    """Return ``length`` bytes of HKDF-Expand-Label (RFC 8446 section 7.1).

    ``label`` is without the prefix ``"tls13 "``; ``hash_name`` is hashlib's.
    """
    info = _hkdf_label(label, context, length)
    # HKDF-Expand (RFC 5869 section 2.3): T(i) = HMAC(secret, T(i-1) | info | i).
    block = hmac.digest(secret, info + b"\x01", hash_name)
    output = block
    counter = 2
    while len(output) < length:
        block = hmac.digest(secret, block + info + bytes((counter,)), hash_name)
        output += block
        counter += 1
    return output[:length]


@lru_cache(maxsize=16)
def _hkdf_label(label: bytes, context: bytes, length: int) -> bytes:
    """Return the HkdfLabel structure: the same few for every connection."""
    full_label = b"tls13 " + label
    return struct.pack("!HB", length, len(full_label)) + full_label + bytes((len(context),)) + context


def tls13_traffic_keys(suite: Suite, traffic_secret: bytes) -> TrafficKeys:
    """Derive the record key and IV of one direction (RFC 8446 section 7.3)."""
    key_bytes = suite.cipher.value.key_bytes
    return TrafficKeys(
        suite.version,
        suite.cipher,
        key=hkdf_expand_label(traffic_secret, b"key", b"", key_bytes, suite.hash_name),
        iv=hkdf_expand_label(traffic_secret, b"iv", b"", TLS13_IV_BYTES, suite.hash_name),
    )


def tls13_next_secret(suite: Suite, traffic_secret: bytes) -> bytes:
    """Derive application_traffic_secret_N+1 after a KeyUpdate (RFC 8446 section 7.2)."""
    return hkdf_expand_label(
        traffic_secret, b"traffic upd", b"", new_hash(suite.hash_name).digest_size, suite.hash_name
    )


def tls12_prf(secret: bytes, label: bytes, seed: bytes, length: int, hash_name: str) -> bytes:
    """Return ``length`` bytes of the TLS 1.2 PRF, which is P_hash(secret, label + seed) (RFC 5246 section 5)."""
    labelled_seed = label + seed
    output = b""
    a_value = labelled_seed
    while len(output) < length:
        a_value = hmac.digest(secret, a_value, hash_name)
        output += hmac.digest(secret, a_value + labelled_seed, hash_name)
    return output[:length]


def tls12_traffic_keys(
    suite: Suite, master_secret: bytes, client_random: bytes, server_random: bytes
) -> tuple[TrafficKeys, TrafficKeys]:
    """Derive (client's, server's) write keys from the key block (RFC 5246 section 6.3).

    AEAD suites have no MAC keys in the block. The IVs have 4 bytes for GCM (RFC 5288) and 12 for ChaCha20 (RFC 7905).
    """
    key_bytes, iv_bytes = suite.cipher.value.key_bytes, suite.cipher.value.fixed_iv_bytes
    seed = server_random + client_random
    block = tls12_prf(master_secret, b"key expansion", seed, 2 * (key_bytes + iv_bytes), suite.hash_name)
    keys, ivs = block[: 2 * key_bytes], block[2 * key_bytes :]
    client = TrafficKeys(suite.version, suite.cipher, keys[:key_bytes], ivs[:iv_bytes])
    server = TrafficKeys(suite.version, suite.cipher, keys[key_bytes:], ivs[iv_bytes:])
    return client, server
