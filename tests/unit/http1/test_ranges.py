from __future__ import annotations

import pytest

from ktlsserve.http1.ranges import MAX_RANGES, ByteRange, multipart_body, multipart_boundary, select_ranges
from ktlsserve.http1.reply import FileSlice
from tests.support.memory_site import memory_file

GIB = 1 << 30


def select(value: bytes, size: int = 10) -> list[tuple[int, int]] | None:
    ranges = select_ranges(value, size)
    return None if ranges is None else [(part.offset, part.count) for part in ranges]


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        (b"bytes=0-0", [(0, 1)]),
        (b"bytes=0-9", [(0, 10)]),
        (b"bytes=3-5", [(3, 3)]),
        (b"bytes=3-", [(3, 7)]),
        (b"bytes=9-", [(9, 1)]),
        (b"bytes=-1", [(9, 1)]),
        (b"bytes=-10", [(0, 10)]),
        (b"bytes=-11", [(0, 10)]),
        (b"bytes=5-100", [(5, 5)]),
        (b"bytes=005-0006", [(5, 2)]),
        (b"bytes=5-" + b"9" * 5000, [(5, 5)]),
        (b"bytes=-" + b"9" * 5000, [(0, 10)]),
        (b"BYTES=0-0", [(0, 1)]),
        (b"bytes= 0-0 ", [(0, 1)]),
        (b"bytes=0-0,2-3", [(0, 1), (2, 2)]),
        (b"bytes=0-0 ,\t, 2-3,", [(0, 1), (2, 2)]),
        (b"bytes=8-,0-1", [(8, 2), (0, 2)]),
        (b"bytes=0-0,-1", [(0, 1), (9, 1)]),
        (b"bytes=0-1,10-,3-3,-0", [(0, 2), (3, 1)]),
        # Side by side they stay two; sharing a byte they are one.
        (b"bytes=0-1,2-3", [(0, 2), (2, 2)]),
        (b"bytes=0-2,2-3", [(0, 4)]),
        (b"bytes=2-3,0-2", [(0, 4)]),
        (b"bytes=0-9,3-4", [(0, 10)]),
        (b"bytes=0-0,0-0,0-0", [(0, 1)]),
        (b"bytes=8-9,0-1,1-2,9-9", [(8, 2), (0, 3)]),
        (b"bytes=6-7,0-1,1-6", [(0, 8)]),
        (b"bytes=1-2,8-9,0-1", [(0, 3), (8, 2)]),
    ],
)
def test_ranges_in_ten_bytes(value: bytes, ranges: list[tuple[int, int]]) -> None:
    assert select(value) == ranges


@pytest.mark.parametrize(
    "value", [b"bytes=10-", b"bytes=10-20", b"bytes=-0", b"bytes=10-,-0", b"bytes=" + b"9" * 5000 + b"-"]
)
def test_nothing_of_it_lies_in_the_file(value: bytes) -> None:
    assert select(value) == []


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"bytes",
        b"bytes=",
        b"bytes=,",
        b"bytes=-",
        b"bytes=a-b",
        b"bytes=1",
        b"bytes=2-1",
        b"bytes=--1",
        b"bytes=+1-2",
        b"bytes=1-2-3",
        b"bytes=1 -2",
        b"bytes=0x1-2",
        b"bytes=1_0-20",
        b"bytes=\xb2-3",
        b"bytes=0-0,x",
        b"bytes=0-0,5-4",
        b"bytes=0-0;1-1",
        b"bytes 0-0",
        b"bytes =0-0",
        b"bytes=0-0, bytes=2-3",
        b"items=0-0",
    ],
)
def test_what_is_not_well_formed_is_ignored(value: bytes) -> None:
    assert select(value) is None


@pytest.mark.parametrize("value", [b"bytes=0-", b"bytes=-5", b"bytes=-0", b"bytes=0-0", b"bytes=3-, 0-0", b"bytes=x"])
def test_who_asks_for_the_beginning_or_end_of_an_empty_file_gets_it_all(value: bytes) -> None:
    assert select(value, 0) is None


@pytest.mark.parametrize("value", [b"bytes=1-", b"bytes=3-6", b"bytes=3-6, 9-"])
def test_nothing_lies_behind_the_beginning_of_an_empty_file(value: bytes) -> None:
    assert select(value, 0) == []


def test_too_many_ranges_are_ignored() -> None:
    fits = b"bytes=" + b",".join(b"%d-%d" % (at * 2, at * 2) for at in range(MAX_RANGES))
    assert select(fits, 1000) == [(at * 2, 1) for at in range(MAX_RANGES)]
    assert select(fits + b",900-", 1000) is None


def test_files_beyond_4_gib() -> None:
    assert select(b"bytes=4294967296-4294967297", 5 * GIB) == [(4 * GIB, 2)]
    assert select(b"bytes=-1", 5 * GIB) == [(5 * GIB - 1, 1)]
    assert select(b"bytes=9223372036854775806-", 2**63 - 1) == [(2**63 - 2, 1)]


def test_content_range() -> None:
    assert ByteRange(4 * GIB, 2).content_range(5 * GIB) == b"bytes 4294967296-4294967297/5368709120"


def test_a_multipart_body() -> None:
    file = memory_file(b"0123456789")
    body = multipart_body(file, b"text/plain", [ByteRange(0, 1), ByteRange(8, 2)], b"B")
    assert body == (
        b"--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/10\r\n\r\n",
        FileSlice(file, 0, 1),
        b"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n",
        FileSlice(file, 8, 2),
        b"\r\n--B--\r\n",
    )
    assert file.uses == 2


def test_the_boundary_follows_from_file_and_ranges() -> None:
    ranges = [ByteRange(0, 1), ByteRange(8, 2)]
    boundary = multipart_boundary(b'"a"', ranges)
    assert boundary == multipart_boundary(b'"a"', tuple(ranges))
    assert len(boundary) == 32
    assert len({boundary, multipart_boundary(b'"b"', ranges), multipart_boundary(b'"a"', ranges[::-1])}) == 3
