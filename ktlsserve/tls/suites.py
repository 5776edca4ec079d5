"""The protocol versions, AEAD ciphers and cipher suites that can be handed to the kernel.

Names are those of the RFCs; numbers are those of include/uapi/linux/tls.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class TlsVersion(IntEnum):
    """Protocol versions by their number on the wire (RFC 8446 section 4.2.1); also the kernel's TLS_1_x_VERSION."""

    TLS1_2 = 0x0303
    TLS1_3 = 0x0304

    @property
    def label(self) -> str:
        """The name as people write it: ``TLS 1.3``."""
        return "TLS 1.2" if self is TlsVersion.TLS1_2 else "TLS 1.3"


@dataclass(frozen=True, slots=True)
class CipherShape:
    """How one AEAD cipher lies in the kernel's ``tls12_crypto_info_*``; all sizes in bytes."""

    cipher_type: int
    iv_bytes: int
    key_bytes: int
    salt_bytes: int

    @property
    def fixed_iv_bytes(self) -> int:
        """Bytes of write IV that the TLS 1.2 key block yields (RFC 5288 section 3, RFC 7905 section 2)."""
        return self.salt_bytes or self.iv_bytes


class Cipher(Enum):
    """AEAD ciphers offered, in the kernel's terms."""

    AES_128_GCM = CipherShape(cipher_type=51, iv_bytes=8, key_bytes=16, salt_bytes=4)
    AES_256_GCM = CipherShape(cipher_type=52, iv_bytes=8, key_bytes=32, salt_bytes=4)
    CHACHA20_POLY1305 = CipherShape(cipher_type=54, iv_bytes=12, key_bytes=32, salt_bytes=0)

    @property
    def label(self) -> str:
        """The name used in configuration and reports: ``AES-128-GCM``."""
        return self.name.replace("_", "-")

    @classmethod
    def from_label(cls, label: str) -> Cipher:
        """Return the cipher named ``label``; raise KeyError when there is none."""
        return cls[label.replace("-", "_")]


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite: OpenSSL's name for it, and what the key schedule and the kernel need to know of it."""

    openssl_name: str
    version: TlsVersion
    cipher: Cipher
    hash_name: str


def _tls12(authentication: str) -> tuple[Suite, ...]:
    """ECDHE suites only: forward secrecy, and the AEAD ciphers that the kernel knows."""
    prefix = f"ECDHE-{authentication}"
    return (
        Suite(f"{prefix}-AES128-GCM-SHA256", TlsVersion.TLS1_2, Cipher.AES_128_GCM, "sha256"),
        Suite(f"{prefix}-AES256-GCM-SHA384", TlsVersion.TLS1_2, Cipher.AES_256_GCM, "sha384"),
        Suite(f"{prefix}-CHACHA20-POLY1305", TlsVersion.TLS1_2, Cipher.CHACHA20_POLY1305, "sha256"),
    )


# Ed25519 certificates use the ECDSA suites in TLS 1.2 (RFC 8422 section 5.10).
SUITES: tuple[Suite, ...] = (
    Suite("TLS_AES_128_GCM_SHA256", TlsVersion.TLS1_3, Cipher.AES_128_GCM, "sha256"),
    Suite("TLS_AES_256_GCM_SHA384", TlsVersion.TLS1_3, Cipher.AES_256_GCM, "sha384"),
    Suite("TLS_CHACHA20_POLY1305_SHA256", TlsVersion.TLS1_3, Cipher.CHACHA20_POLY1305, "sha256"),
    *_tls12("ECDSA"),
    *_tls12("RSA"),
)

SUITE_BY_OPENSSL_NAME = {suite.openssl_name: suite for suite in SUITES}
