from __future__ import annotations

import pytest

from ktlsserve.http1.request import HeadLimits, Request


def request(*headers: tuple[bytes, bytes], http_version: bytes = b"1.1") -> Request:
    return Request(b"GET", b"/", http_version, headers, keep_alive=True)


def test_a_missing_header_is_none() -> None:
    assert request((b"host", b"a")).header(b"range") is None


def test_a_header_is_found_by_its_lower_case_name() -> None:
    assert request((b"host", b"a"), (b"range", b"bytes=0-1")).header(b"range") == b"bytes=0-1"


def test_an_empty_header_is_not_missing() -> None:
    assert request((b"x", b"")).header(b"x") == b""


def test_several_lines_become_one_value_in_their_order() -> None:
    assert request((b"accept", b"a"), (b"host", b"h"), (b"accept", b"b")).header(b"accept") == b"a, b"


@pytest.mark.parametrize(
    ("value", "http_version", "expected"),
    [
        (b"100-continue", b"1.1", True),
        (b"100-Continue", b"1.1", True),
        (b"100-continue", b"1.0", False),
        (b"100-continue, x", b"1.1", False),
        (b"", b"1.1", False),
    ],
)
def test_expects_continue(value: bytes, http_version: bytes, expected: bool) -> None:
    assert request((b"expect", value), http_version=http_version).expects_continue() is expected


def test_expects_continue_needs_the_field() -> None:
    assert not request().expects_continue()


def test_the_default_limits_hold_a_request_line_of_8000_bytes() -> None:
    limits = HeadLimits()
    assert 8000 <= limits.target_bytes < limits.head_bytes
