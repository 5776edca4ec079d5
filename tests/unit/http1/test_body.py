from __future__ import annotations

import pytest

from ktlsserve.errors import RequestError
from ktlsserve.http1.body import LINE_BYTES, BodyDiscarder
from ktlsserve.http1.request import CHUNKED_BODY, NO_BODY, BodyFraming, BodyKind

FIVE = BodyFraming(BodyKind.LENGTH, 5)


def refused(framing: BodyFraming, data: bytes, limit_bytes: int = 100_000) -> int:
    with pytest.raises(RequestError) as caught:
        BodyDiscarder(framing, limit_bytes).receive_data(data)
    assert caught.value.fatal
    return caught.value.status


def test_no_body_gives_everything_back() -> None:
    assert BodyDiscarder(NO_BODY, 0).receive_data(b"GET /") == b"GET /"


def test_a_length_is_counted() -> None:
    body = BodyDiscarder(FIVE, 5)
    assert body.receive_data(b"abc") is None
    assert body.receive_data(b"") is None
    assert body.receive_data(b"deGET /") == b"GET /"


def test_a_body_may_end_with_the_data() -> None:
    assert BodyDiscarder(FIVE, 5).receive_data(b"abcde") == b""


def test_after_its_end_a_body_takes_nothing() -> None:
    body = BodyDiscarder(FIVE, 5)
    assert body.receive_data(b"abcde") == b""
    assert body.receive_data(b"more") == b"more"


def test_a_declared_length_past_the_limit_is_refused_before_any_byte() -> None:
    with pytest.raises(RequestError) as caught:
        BodyDiscarder(FIVE, 4)
    assert (caught.value.status, caught.value.fatal) == (413, True)


@pytest.mark.parametrize(
    "body",
    [
        b"0\r\n\r\n",
        b"000\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"A\r\n0123456789\r\na\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n",
        b'1;ext="v";other\r\nx\r\n0;x\r\nTrailer: x\r\nOther:\r\n\r\n',
    ],
)
def test_chunked(body: bytes) -> None:
    assert BodyDiscarder(CHUNKED_BODY, len(body)).receive_data(body + b"next") == b"next"
    slowly = BodyDiscarder(CHUNKED_BODY, len(body))
    assert [slowly.receive_data(body[at : at + 1]) for at in range(len(body))] == [None] * (len(body) - 1) + [b""]


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b"1 \r\n",
        b" 1\r\n",
        b"1\n",
        b"1\rx\r\n",
        b"1;\x00\r\n",
        b"1;a\rb\r\n",
        b"10000000000000000\r\n",
        b"1\r\nxx\r\n",
        b"1\r\nx\n",
        b"1\r\nx\r\r\n",
        b"2\r\nx\r\n0\r\n\r\n\r\n",
        b"0\r\nbad\r\n",
        b"0\r\nX : y\r\n",
        b"0\r\nX: a\r\n b\r\n",
        b"0\r\n\n",
        b"0\r\nX: y\n",
        b"1;" + b"x" * LINE_BYTES,
        b"0\r\nX: " + b"y" * LINE_BYTES + b"\r\n",
    ],
)
def test_chunked_refuses(body: bytes) -> None:
    assert refused(CHUNKED_BODY, body) == 400


def test_a_line_may_be_as_long_as_its_limit() -> None:
    line = b"0;" + b"x" * (LINE_BYTES - 4) + b"\r\n"
    assert BodyDiscarder(CHUNKED_BODY, 2000).receive_data(line + b"\r\n") == b""
    assert refused(CHUNKED_BODY, line.replace(b";", b";x") + b"\r\n") == 400


def test_all_bytes_of_a_chunked_body_count_against_the_limit() -> None:
    body = b"5\r\nhello\r\n0\r\n\r\n"
    assert BodyDiscarder(CHUNKED_BODY, len(body)).receive_data(body) == b""
    assert refused(CHUNKED_BODY, body, len(body) - 1) == 413


def test_a_huge_chunk_is_refused_where_the_limit_is_passed() -> None:
    body = BodyDiscarder(CHUNKED_BODY, 50)
    assert body.receive_data(b"ffffffffffffffff\r\n" + b"x" * 32) is None
    with pytest.raises(RequestError) as caught:
        body.receive_data(b"x")
    assert caught.value.status == 413
