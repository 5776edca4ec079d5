from __future__ import annotations

import pytest

from ktlsserve.errors import ProxyHeaderError
from ktlsserve.proxy_protocol.crc32c import crc32c
from ktlsserve.proxy_protocol.header import ProxyHeader, endpoint
from ktlsserve.proxy_protocol.version2 import unpack_header
from tests.support.proxy_headers import pack_tlv, pack_v2, pack_v2_block

NOOP, CRC32C, CUSTOM = 0x04, 0x03, 0xEA
SAID = ProxyHeader(2, endpoint("192.0.2.7", 50000), endpoint("198.51.100.1", 443))


def with_checksum(before: bytes = b"", behind: bytes = b"") -> bytes:
    """Pack a header with a checksum between other TLVs."""
    zeros = pack_v2("192.0.2.7", 50000, tlvs=before + pack_tlv(CRC32C, bytes(4)) + behind)
    return pack_v2("192.0.2.7", 50000, tlvs=before + pack_tlv(CRC32C, crc32c(zeros).to_bytes(4, "big")) + behind)


@pytest.mark.parametrize("before", [b"", pack_tlv(NOOP, b"abc")])
@pytest.mark.parametrize("behind", [b"", pack_tlv(CUSTOM, bytes(300))])
def test_a_checksum_is_over_the_whole_header(before: bytes, behind: bytes) -> None:
    header = with_checksum(before, behind)
    assert unpack_header(header) == SAID


def test_no_damage_behind_the_family_passes_the_checksum() -> None:
    header = with_checksum(behind=pack_tlv(CUSTOM, b"abc"))
    for position in (*range(16, 28), 31, 34, 38, 40):
        damaged = header[:position] + bytes((header[position] ^ 0x10,)) + header[position + 1 :]
        with pytest.raises(ProxyHeaderError, match="checksum is wrong"):
            unpack_header(damaged)


def test_a_second_checksum_is_refused() -> None:
    header = with_checksum(behind=pack_tlv(CRC32C, bytes(4)))
    with pytest.raises(ProxyHeaderError, match="is there twice"):
        unpack_header(header)


@pytest.mark.parametrize("tlvs", [b"", pack_tlv(NOOP, b""), pack_tlv(CUSTOM, bytes(1000)) + pack_tlv(0x20, bytes(5))])
def test_other_tlvs_are_skipped(tlvs: bytes) -> None:
    assert unpack_header(pack_v2("192.0.2.7", 50000, tlvs=tlvs)) == SAID


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_tlv_that_is_cut_is_refused(cut: int) -> None:
    whole = pack_tlv(NOOP, b"abcd")
    with pytest.raises(ProxyHeaderError, match="reaches beyond its end"):
        unpack_header(pack_v2("192.0.2.7", 50000, tlvs=whole[:cut]))


@pytest.mark.parametrize("kind", [0x31, 0x32])
def test_unix_sockets_name_nobody(kind: int) -> None:
    block = b"/run/a.sock".ljust(216, b"\0")
    assert unpack_header(pack_v2_block(0x21, kind, block)) == ProxyHeader(2)
    with pytest.raises(ProxyHeaderError, match="reaches beyond its end"):
        unpack_header(pack_v2_block(0x21, kind, block + b"\4"))


def test_who_names_nobody_has_its_checksum_verified_too() -> None:
    with pytest.raises(ProxyHeaderError, match="checksum is wrong"):
        unpack_header(pack_v2_block(0x21, 0x00, pack_tlv(CRC32C, bytes(4))))


def test_the_block_of_a_local_connection_is_not_looked_at() -> None:
    assert unpack_header(pack_v2_block(0x20, 0x00, pack_tlv(CRC32C, bytes(4)))) == ProxyHeader(2)
    assert unpack_header(pack_v2_block(0x20, 0x11, b"?")) == ProxyHeader(2)
