"""Byte ranges (RFC 9110 section 14) and the multipart body that carries several (section 14.6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from ktlsserve.http1.reply import FileSlice, ServedFile

MAX_RANGES = 50
"""Most ranges that are sent as such; a request for more gets the whole file. Download managers and PDF viewers ask for
a handful; hundreds of small ranges are an attack (RFC 9110 section 17.15)."""

_UNIT = re.compile(rb"bytes=(?P<set>.*)", re.IGNORECASE)
_SPEC = re.compile(rb"(?P<first>[0-9]*)-(?P<last>[0-9]*)")
# Positions have up to 19 digits, as file sizes do; more digits mean "beyond the end" of any file.
_MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class ByteRange:
    """``count`` bytes from ``offset``, of which there is at least one."""

    offset: int
    count: int

    def content_range(self, size: int) -> bytes:
        """Return the value of Content-Range for this part of ``size`` bytes (RFC 9110 section 14.4)."""
        return b"bytes %d-%d/%d" % (self.offset, self.offset + self.count - 1, size)


def select_ranges(value: bytes, size: int) -> tuple[ByteRange, ...] | None:
    """Return what a Range field asks of a file of ``size`` bytes.

    None means that the field is to be ignored and the whole file sent, as RFC 9110 section 14.2 allows: another unit,
    a malformed set, more than MAX_RANGES ranges, or the beginning or end of an empty file, which no Content-Range can
    name: who wants the first kilobyte of any file is content with the whole of that one. An empty tuple means that no
    range lies in the file: 416. Ranges that overlap are made one, which comes where the first of them was asked for
    (section 15.3.7.2); ranges that lie outside are left out.
    """
    unit = _UNIT.fullmatch(value)
    if unit is None:
        return None
    specs = [spec.strip(b" \t") for spec in unit["set"].split(b",")]
    specs = [spec for spec in specs if spec]
    if not 1 <= len(specs) <= MAX_RANGES:
        return None
    found = []
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        bounds = match and _bounds(match["first"], match["last"], size)
        if bounds is None or (not size and not bounds[0]):
            return None
        if bounds[0] < bounds[1]:
            found.append(bounds)
    return tuple(ByteRange(start, end - start) for start, end in _coalesce(found))


def multipart_boundary(etag: bytes, ranges: Sequence[ByteRange]) -> bytes:
    """Return a boundary that a file doesn't hold by chance.

    It follows from the representation and the ranges, so that the same request has the same answer; 128 bits of a hash
    don't occur in a file unless somebody who knows its future entity-tag puts them there.
    """
    key = b"%b %b" % (etag, b",".join(b"%d+%d" % (part.offset, part.count) for part in ranges))
    return blake2b(key, digest_size=16).hexdigest().encode()


def multipart_body(
    file: ServedFile, content_type: bytes, ranges: Sequence[ByteRange], boundary: bytes
) -> tuple[bytes | FileSlice, ...]:
    """Build a multipart/byteranges body (RFC 9110 section 14.6); takes over one use of ``file`` and adds the others."""
    body: list[bytes | FileSlice] = []
    delimiter = b"--" + boundary
    for part in ranges:
        if body:
            file.retain()
        head = (
            delimiter,
            b"Content-Type: " + content_type,
            b"Content-Range: " + part.content_range(file.size),
            b"",
            b"",
        )
        body += [b"\r\n".join(head), FileSlice(file, part.offset, part.count)]
        delimiter = b"\r\n--" + boundary
    body.append(delimiter + b"--\r\n")
    return tuple(body)


def _bounds(first: bytes, last: bytes, size: int) -> tuple[int, int] | None:
    """Return start and end of one range, cut to the file and empty where it lies outside; None if it is invalid."""
    if not first:
        return (max(0, size - _number(last)), size) if last else None
    start = _number(first)
    if not last:
        return start, size
    if _number(last) < start:
        return None
    return start, min(_number(last) + 1, size)


def _number(digits: bytes) -> int:
    significant = digits.lstrip(b"0")
    return int(significant or b"0") if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS


def _coalesce(bounds: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges that share a byte; keep the order in which they were first asked for."""
    groups: list[tuple[int, int, int]] = []
    for start, end, position in sorted((start, end, position) for position, (start, end) in enumerate(bounds)):
        if groups and start < groups[-1][1]:
            group_start, group_end, earliest = groups[-1]
            groups[-1] = (group_start, max(end, group_end), min(position, earliest))
        else:
            groups.append((start, end, position))
    return [(start, end) for start, end, _ in sorted(groups, key=lambda group: group[2])]
