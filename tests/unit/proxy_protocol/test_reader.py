from __future__ import annotations

import pytest

from ktlsserve.errors import ProxyHeaderError
from ktlsserve.proxy_protocol import version1, version2
from ktlsserve.proxy_protocol.header import ProxyHeader
from ktlsserve.proxy_protocol.reader import HeaderReader
from tests.support.proxy_headers import Case, invalid_cases, pack_v1, pack_v2, valid_cases

BEHIND = b"\x16\x03\x01\x02\x00"


def read(stream: bytes, most: int = 65536) -> tuple[ProxyHeader | None, int]:
    """Read a header off a stream, at most so many bytes at a time; return it and how much was taken."""
    reader, position, header = HeaderReader(), 0, None
    while header is None and position < len(stream):
        assert reader.wanted > 0
        piece = stream[position : position + min(reader.wanted, most)]
        position += len(piece)
        header = reader.receive_data(piece)
    return header, position


def test_the_corpus_is_whole() -> None:
    assert (len(valid_cases()), len(invalid_cases())) == (24, 44)


@pytest.mark.parametrize("case", valid_cases(), ids=str)
@pytest.mark.parametrize("most", [65536, 7, 1])
def test_valid_headers_are_read_to_their_end(case: Case, most: int) -> None:
    header, taken = read(case.data + BEHIND, most)
    assert header is not None
    assert taken == len(case.data)
    assert (str(header.source or ""), str(header.target or "")) == (case.source, case.target)
    assert header.version == (1 if case.data.startswith(b"PROXY") else 2)


@pytest.mark.parametrize("case", invalid_cases(), ids=str)
@pytest.mark.parametrize("most", [65536, 7, 1])
def test_invalid_headers_are_refused(case: Case, most: int) -> None:
    with pytest.raises(ProxyHeaderError, match=case.reason):
        read(case.data, most)


@pytest.mark.parametrize("case", valid_cases(), ids=str)
def test_the_beginning_of_a_header_is_none(case: Case) -> None:
    for end in range(len(case.data)):
        assert read(case.data[:end]) == (None, end)


def test_more_than_wanted_is_a_bug() -> None:
    with pytest.raises(ValueError, match="more bytes than wanted"):
        HeaderReader().receive_data(bytes(16))


@pytest.mark.parametrize(
    ("header", "most_reads"),
    [
        (b"PROXY UNKNOWN\r\n", 1),
        (pack_v1("192.0.2.7", 50000), 9),
        (pack_v1("::1", 1), 9),
        (pack_v2("192.0.2.7", 50000), 3),
        (pack_v2("2001:db8::2", 50000), 3),
    ],
)
def test_a_header_that_is_there_takes_few_reads(header: bytes, most_reads: int) -> None:
    reader, position, count = HeaderReader(), 0, 0
    while reader.wanted:
        step = reader.wanted
        reader.receive_data(header[position : position + step])
        position, count = position + step, count + 1
    assert position == len(header)
    assert count <= most_reads


def test_wrong_first_bytes_are_refused_at_once() -> None:
    """Not only when a header's worth of bytes is there, which may never be."""
    for first in (b"G", b"\x16", b"PROXX", b"PROXY TCP5", b"\r\n\r\nG"):
        with pytest.raises(ProxyHeaderError):
            read(first, 1)


def test_the_longest_header_is_read() -> None:
    padding = version2.LONGEST_BYTES - version2.FIXED_BYTES - 12 - 3
    longest = pack_v2("192.0.2.7", 1, tlvs=b"\x04" + padding.to_bytes(2, "big") + bytes(padding))
    assert len(longest) == version2.LONGEST_BYTES
    header, taken = read(longest + BEHIND)
    assert (header is not None, taken) == (True, len(longest))
    with pytest.raises(ProxyHeaderError, match="longer than 4096 bytes"):
        read(longest[:14] + (version2.LONGEST_BYTES - version2.FIXED_BYTES + 1).to_bytes(2, "big"))


def test_the_longest_line_is_as_long_as_the_specification_allows() -> None:
    line = b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n"
    assert len(line) == version1.LONGEST_BYTES
    assert read(line + BEHIND) == (ProxyHeader(1), len(line))
