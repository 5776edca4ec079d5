"""CRC32c (RFC 9260 appendix A; Castagnoli's polynomial), which neither zlib nor hashlib has.

In Python, because a PROXY header is some sixty bytes, once for a connection: a package for it would cost more to
install than it could ever save.
"""

from __future__ import annotations

from functools import cache

# 0x1EDC6F41 with its bits reversed: bytes go in from their lowest bit on.
_REVERSED_POLYNOMIAL = 0x82F63B78
_ALL_ONES = 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Return the checksum of ``data``."""
    table = _table()
    remainder = _ALL_ONES
    for byte in data:
        remainder = table[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder ^ _ALL_ONES


@cache
def _table() -> tuple[int, ...]:
    """Return what each byte does to the remainder; made when it is first needed, which for most is never."""
    entries = []
    for entry in range(256):
        for _bit in range(8):
            entry = (entry >> 1) ^ (_REVERSED_POLYNOMIAL if entry & 1 else 0)  # noqa: PLW2901 - eight steps of one value
        entries.append(entry)
    return tuple(entries)
