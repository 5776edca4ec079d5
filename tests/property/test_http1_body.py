"""BodyDiscarder against its own chunk encoder, any split, and h11."""

from __future__ import annotations

import h11
from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.errors import RequestError
from ktlsserve.http1.body import BodyDiscarder
from ktlsserve.http1.request import CHUNKED_BODY, BodyFraming, BodyKind

LIMIT_BYTES = 300
Outcome = bytes | int | str | None

EXTENSIONS = st.sampled_from([b"", b";a", b';a="b c"', b";a=b;c\t"])
TRAILERS = st.lists(st.sampled_from([b"X: y\r\n", b"Empty:\r\n", b"Content-Length: 9\r\n"]), max_size=2)
PIECES = st.sampled_from(
    [
        b"0",
        b"1",
        b"5",
        b"A",
        b"\r\n",
        b"\r",
        b"\n",
        b";x",
        b";",
        b" ",
        b"X: y",
        b":",
        b"hello",
        b"\0",
        b"0\r\n\r\n",
        b"-",
    ]
)


@st.composite
def chunked(draw: st.DrawFn) -> bytes:
    body = b""
    for data in draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4)):
        size = b"%0*x" % (draw(st.integers(1, 4)), len(data))
        body += (size.upper() if draw(st.booleans()) else size) + draw(EXTENSIONS) + b"\r\n" + data + b"\r\n"
    return body + b"0" + draw(EXTENSIONS) + b"\r\n" + b"".join(draw(TRAILERS)) + b"\r\n"


def discard(framing: BodyFraming, data: bytes, cuts: list[int]) -> Outcome:
    """Feed ``data`` cut up; return what follows the body, the error's status, or None when it hasn't ended."""
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    try:
        body = BodyDiscarder(framing, LIMIT_BYTES)
        for start, end in zip([0, *ends], ends, strict=False):
            rest = body.receive_data(data[start:end])
            if rest is not None:
                return rest + data[end:]
    except RequestError as error:
        return error.status if error.fatal else "a body's errors must be fatal"
    return None


def framings() -> st.SearchStrategy[BodyFraming]:
    return st.just(CHUNKED_BODY) | st.integers(1, LIMIT_BYTES + 5).map(lambda n: BodyFraming(BodyKind.LENGTH, n))


@given(chunked().filter(lambda body: len(body) <= LIMIT_BYTES), st.binary(max_size=10))
def test_a_chunked_body_ends_where_its_encoder_ended_it(body: bytes, following: bytes) -> None:
    assert discard(CHUNKED_BODY, body + following, []) == following
    assert discard(CHUNKED_BODY, body[:-1], []) is None


@given(framings(), st.lists(PIECES | st.binary(max_size=4)).map(b"".join) | chunked(), st.lists(st.integers(0, 400)))
def test_any_split_gives_the_same_outcome(framing: BodyFraming, data: bytes, cuts: list[int]) -> None:
    whole = discard(framing, data, [])
    assert not isinstance(whole, str), whole
    assert discard(framing, data, cuts) == whole
    assert discard(framing, data, list(range(len(data)))) == whole


@given(st.lists(PIECES | chunked()).map(b"".join) | chunked())
def test_whatever_is_accepted_h11_ends_at_the_same_byte(data: bytes) -> None:
    rest = discard(CHUNKED_BODY, data, [])
    if not isinstance(rest, bytes):
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    while type(connection.next_event()) is not h11.EndOfMessage:
        pass
    assert connection.trailing_data == (rest, False)


@given(st.integers(1, LIMIT_BYTES), st.binary(max_size=2 * LIMIT_BYTES))
def test_a_length_is_taken_exactly(length: int, data: bytes) -> None:
    expected = data[length:] if len(data) >= length else None
    assert discard(BodyFraming(BodyKind.LENGTH, length), data, []) == expected
