"""Protects and opens TLS records as the kernel does, from the same option value, with the cryptography package's AEADs.

This is the kernel's side of the bargain, written down a second time: it takes the ``struct tls12_crypto_info_*`` of
setsockopt(SOL_TLS), field by field as include/uapi/linux/tls.h has it, and builds nonces as net/tls/tls_sw.c does. What
it seals must open in OpenSSL and the other way round; then keys, split of the IV and record number are all right.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

ALERT = 21
HANDSHAKE = 22
APPLICATION_DATA = 23
TAG_BYTES = 16
_TLS13 = 0x0304
# cipher_type → bytes of iv, key and salt, in the order in which they lie; rec_seq has 8 and is the last.
_FIELDS = {51: (8, 16, 4), 52: (8, 32, 4), 54: (12, 32, 0)}
_CHACHA20_POLY1305 = 54

__all__ = ["InvalidTag", "RecordProtection", "split_records", "unpack_crypto_info"]


@dataclass
class CryptoInfo:
    """The fields of an option value."""

    version: int
    cipher_type: int
    iv: bytes
    key: bytes
    salt: bytes
    rec_seq: int


def unpack_crypto_info(option: bytes) -> CryptoInfo:
    """Take an option value apart; the kernel answers EINVAL to a wrong length, so does this."""
    version, cipher_type = struct.unpack_from("=HH", option)
    sizes = (*_FIELDS[cipher_type], 8)
    assert len(option) == 4 + sum(sizes), f"{len(option)} bytes for cipher {cipher_type}"
    fields, start = [], 4
    for size in sizes:
        fields.append(option[start : start + size])
        start += size
    iv, key, salt, rec_seq = fields
    return CryptoInfo(version, cipher_type, iv, key, salt, int.from_bytes(rec_seq, "big"))


class RecordProtection:
    """One direction's records from ``rec_seq`` on, with the keys in an option value."""

    def __init__(self, option: bytes) -> None:
        info = unpack_crypto_info(option)
        self.info = info
        self.rec_seq = info.rec_seq
        self._aead = ChaCha20Poly1305(info.key) if info.cipher_type == _CHACHA20_POLY1305 else AESGCM(info.key)
        self._tls13 = info.version == _TLS13
        # TLS 1.2 with GCM: this much of the nonce travels with each record (RFC 5288 section 3).
        self._explicit_bytes = len(info.iv) if info.salt and not self._tls13 else 0

    def seal(self, content: bytes, content_type: int = APPLICATION_DATA, *, padding: int = 0) -> bytes:
        """Return the next record; ``padding`` bytes of zeros are TLS 1.3's (RFC 8446 section 5.4)."""
        inner = content + bytes((content_type,)) + bytes(padding) if self._tls13 else content
        outer_type = APPLICATION_DATA if self._tls13 else content_type
        header = struct.pack("!BHH", outer_type, 0x0303, self._explicit_bytes + len(inner) + TAG_BYTES)
        explicit = b""
        if self._explicit_bytes:
            counted = int.from_bytes(self.info.iv, "big") + self.rec_seq - self.info.rec_seq
            explicit = (counted % 2**64).to_bytes(8, "big")
        sealed = self._aead.encrypt(self._nonce(explicit), inner, self._associated_data(header, len(inner)))
        self.rec_seq += 1
        return header + explicit + sealed

    def open(self, record: bytes) -> tuple[int, bytes]:
        """Return (content type, content) of the next record; raise InvalidTag if it isn't that one."""
        header, body = record[:5], record[5:]
        assert int.from_bytes(header[3:], "big") == len(body), "not one whole record"
        explicit, sealed = body[: self._explicit_bytes], body[self._explicit_bytes :]
        associated = self._associated_data(header, len(sealed) - TAG_BYTES)
        inner = self._aead.decrypt(self._nonce(explicit), sealed, associated)
        self.rec_seq += 1
        if not self._tls13:
            return header[0], inner
        content = inner.rstrip(b"\0")
        return content[-1], content[:-1]

    def open_all(self, stream: bytes) -> list[tuple[int, bytes]]:
        """Open every record of a stream that ends with a record."""
        return [self.open(record) for record in split_records(stream)]

    def _nonce(self, explicit: bytes) -> bytes:
        if explicit:
            return self.info.salt + explicit
        # tls_xor_iv_with_seq: the sequence number goes over the last eight bytes.
        fixed = int.from_bytes(self.info.salt + self.info.iv, "big")
        return (fixed ^ self.rec_seq).to_bytes(12, "big")

    def _associated_data(self, header: bytes, length: int) -> bytes:
        if self._tls13:
            return header
        return struct.pack("!Q", self.rec_seq) + header[:3] + struct.pack("!H", length)


def split_records(stream: bytes) -> list[bytes]:
    """Split a stream into its records, headers included; it must end with one."""
    records = []
    while stream:
        end = 5 + int.from_bytes(stream[3:5], "big")
        assert len(stream) >= end, "the stream ends inside a record"
        records.append(stream[:end])
        stream = stream[end:]
    return records
