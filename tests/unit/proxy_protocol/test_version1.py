from __future__ import annotations

import pytest

from ktlsserve.errors import ProxyHeaderError
from ktlsserve.proxy_protocol.version1 import LONGEST_BYTES, missing_bytes, unpack_line


# What may still follow, in its shortest form, beside what was read.
@pytest.mark.parametrize(
    ("line", "rest"),
    [
        (b"", b"PROXY UNKNOWN\r\n"),
        (b"PROXY ", b"UNKNOWN\r\n"),
        (b"PROXY UNKNOWN\r", b"\n"),
        (b"PROXY UNKNOWN x", b"\r\n"),
        (b"PROXY TCP4 1.2.", b"3.4 0.0.0.0 0 0\r\n"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8", b" 0 0\r\n"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1", b" 0\r\n"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2", b"\r\n"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r", b"\n"),
        (b"PROXY TCP6 ::1", b" :: 0 0\r\n"),
        (b"PROXY TCP6 ::1 ::2 3 4", b"\r\n"),
        (b"PROXY TCP6 ::1 ::2 3 4\r\n", b""),
    ],
)
def test_never_more_is_missing_than_the_shortest_rest(line: bytes, rest: bytes) -> None:
    assert missing_bytes(line) <= len(rest)
    assert (missing_bytes(line) == 0) == (not rest)


def test_a_line_can_not_grow_beyond_its_bound() -> None:
    line = b"PROXY UNKNOWN ".ljust(LONGEST_BYTES - 1, b"x")
    assert missing_bytes(line) == 1
    with pytest.raises(ProxyHeaderError, match="longer than 107 bytes"):
        missing_bytes(line + b"x")


@pytest.mark.parametrize("line", [b"", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2", b"PROXY TCP4\r\n"])
def test_what_is_no_whole_line_says_nothing(line: bytes) -> None:
    with pytest.raises(ProxyHeaderError, match="isn't well-formed"):
        unpack_line(line)
