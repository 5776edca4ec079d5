from __future__ import annotations

from dataclasses import replace

import pytest

from loadtests.users.verdict import Answer, Expected, fault, header

EXPECTED = Expected("HTTP/3", 206, 10, "a" * 64, "bytes 0-9/20")
RIGHT = Answer("HTTP/3", 206, 10, "a" * 64, "bytes 0-9/20")


def test_the_right_answer() -> None:
    assert fault(EXPECTED, RIGHT) == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "HTTP/1.1"}, "the answer came over HTTP/1.1, not over HTTP/3"),
        ({"status": 200}, "status 200, not 206"),
        ({"content_range": ""}, "the Content-Range is missing, not bytes 0-9/20"),
        ({"content_range": "bytes 0-9/21"}, "the Content-Range is bytes 0-9/21, not bytes 0-9/20"),
        ({"length_bytes": 9}, "9 bytes, not 10"),
        ({"sha256": "b" * 64}, "wrong bytes: their SHA-256 is bbbbbbbbbbbb..., not aaaaaaaaaaaa..."),
    ],
)
def test_wrong_answers(change: dict[str, object], message: str) -> None:
    assert fault(EXPECTED, replace(RIGHT, **change)) == message  # type: ignore[arg-type]  # any field


def test_bytes_that_nobody_hashed_arent_compared() -> None:
    assert fault(replace(EXPECTED, sha256=""), replace(RIGHT, sha256="")) == ""


def test_a_new_entity_tag_is_named() -> None:
    expected = Expected("HTTP/1.1", 304, 0)
    assert fault(expected, Answer("HTTP/1.1", 200, 10)) == "status 200, not 304 (the entity-tag was another one)"


def test_header_fields() -> None:
    lines = [b"HTTP/1.1 200 OK\r\n", b'etag:  "a:b" \r\n', b"Content-Length: 3\r\n", b"\r\n"]
    assert header(lines, "ETag") == '"a:b"'
    assert header(lines, "Content-Range") == ""
