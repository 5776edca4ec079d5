from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.errors import ProxyHeaderError
from ktlsserve.proxy_protocol.crc32c import crc32c
from ktlsserve.proxy_protocol.header import ProxyHeader
from ktlsserve.proxy_protocol.reader import HeaderReader
from ktlsserve.proxy_protocol.version1 import LONGEST_BYTES
from tests.support.proxy_headers import SIGNATURE, corpus, pack_tlv, pack_v1, pack_v2, pack_v2_block

Outcome = ProxyHeader | str | None

ipv4 = st.integers(0, 2**32 - 1).map(IPv4Address)
# Those that stand for IPv4 addresses are another test's.
ipv6 = st.integers(0, 2**128 - 1).map(IPv6Address).filter(lambda address: address.ipv4_mapped is None)
ports = st.integers(0, 65535)
endpoints = st.one_of(st.tuples(ipv4, ports, ipv4, ports), st.tuples(ipv6, ports, ipv6, ports))
tlvs = st.lists(
    st.builds(pack_tlv, st.integers(0, 255).filter(lambda kind: kind != 3), st.binary(max_size=60)), max_size=5
).map(b"".join)
sizes = st.lists(st.integers(1, 40), min_size=1, max_size=12)

# Bytes that come near to a header, of which plain noise has none.
lines = st.lists(
    st.sampled_from(
        [b"TCP4", b"TCP6", b"UNKNOWN", b"1.2.3.4", b"::1", b"0", b"443", b"\r", b"\n", b"", b"\0", b"99999"]
    )
).map(lambda words: b"PROXY " + b" ".join(words) + b"\r\n")
blocks = st.builds(pack_v2_block, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=80))
kinds = st.sampled_from([0x00, 0x11, 0x12, 0x21, 0x22, 0x31, 0x32])
known_blocks = st.builds(pack_v2_block, st.sampled_from([0x20, 0x21]), kinds, st.binary(max_size=300))
damaged = st.builds(
    lambda case, position, byte: case.data[: position % len(case.data)] + byte + case.data[position % len(case.data) :],
    st.sampled_from(corpus()),
    st.integers(0, 300),
    st.binary(max_size=2),
)
anything = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=60).map(lambda data: SIGNATURE + data),
    lines,
    blocks,
    known_blocks,
    damaged,
)


def read(stream: bytes, step_sizes: list[int]) -> tuple[Outcome, int]:
    """Read in pieces of these sizes, over and over, as far as the reader wants; return what came of it, and its end."""
    reader, position, number = HeaderReader(), 0, 0
    while position < len(stream):
        assert reader.wanted > 0
        piece = stream[position : position + min(reader.wanted, step_sizes[number % len(step_sizes)])]
        position, number = position + len(piece), number + 1
        try:
            header = reader.receive_data(piece)
        except ProxyHeaderError:
            return "refused", position
        if header is not None:
            return header, position
    return None, position


@given(anything, sizes)
def test_any_bytes_come_to_the_same_in_any_pieces(stream: bytes, step_sizes: list[int]) -> None:
    """And nothing but the one error is ever raised."""
    at_once, taken = read(stream, [65536])
    in_pieces, taken_in_pieces = read(stream, step_sizes)
    assert in_pieces == at_once
    # What is refused may be refused sooner.
    if at_once != "refused":
        assert taken_in_pieces == taken


@given(endpoints, st.binary(max_size=20), sizes)
def test_a_line_says_what_was_packed(
    ends: tuple[IPv4Address | IPv6Address, int, IPv4Address | IPv6Address, int], behind: bytes, step_sizes: list[int]
) -> None:
    source, source_port, target, target_port = ends
    packed = pack_v1(str(source), source_port, str(target), target_port)
    header, taken = read(packed + behind, step_sizes)
    assert isinstance(header, ProxyHeader)
    assert header.source is not None
    assert header.target is not None
    assert (header.source.address, header.source.port) == (source, source_port)
    assert (header.target.address, header.target.port) == (target, target_port)
    assert taken == len(packed)


@given(endpoints, tlvs, st.binary(max_size=20), sizes, st.booleans())
def test_a_binary_header_says_what_was_packed(
    ends: tuple[IPv4Address | IPv6Address, int, IPv4Address | IPv6Address, int],
    others: bytes,
    behind: bytes,
    step_sizes: list[int],
    checked: bool,
) -> None:
    source, source_port, target, target_port = ends

    def pack(checksum: bytes) -> bytes:
        with_checksum = pack_tlv(3, checksum) + others if checked else others
        return pack_v2(str(source), source_port, str(target), target_port, with_checksum)

    packed = pack(crc32c(pack(bytes(4))).to_bytes(4, "big"))
    header, taken = read(packed + behind, step_sizes)
    assert isinstance(header, ProxyHeader)
    assert header.source is not None
    assert header.target is not None
    assert (header.source.address, header.source.port) == (source, source_port)
    assert (header.target.address, header.target.port) == (target, target_port)
    assert taken == len(packed)


@given(ipv4)
def test_an_address_that_stands_for_an_ipv4_address_is_that(address: IPv4Address) -> None:
    for packed in (pack_v1(f"::ffff:{address}", 1), pack_v2(f"::ffff:{address}", 1)):
        header, _ = read(packed, [65536])
        assert isinstance(header, ProxyHeader)
        assert str(header.source) == f"{address}:1"


@given(st.binary(max_size=LONGEST_BYTES - 16).filter(lambda data: not set(data) & set(b"\r\n")), st.binary(max_size=9))
def test_what_unknown_is_followed_by_is_ignored(ignored: bytes, behind: bytes) -> None:
    line = b"PROXY UNKNOWN " + ignored + b"\r\n"
    assert read(line + behind, [65536]) == (ProxyHeader(1), len(line))


@given(st.binary(max_size=200), st.integers(0, 31))
def test_the_checksum_notices_every_changed_bit(data: bytes, bit: int) -> None:
    changed = bytearray(data + b"\0\0\0\0")
    changed[bit // 8] ^= 1 << bit % 8
    assert crc32c(bytes(changed)) != crc32c(data + b"\0\0\0\0")
