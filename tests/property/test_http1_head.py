"""parse_head and head_end against arbitrary bytes, arbitrary splits, and h11."""

from __future__ import annotations

import h11
from hypothesis import example, given
from hypothesis import strategies as st

from ktlsserve.errors import RequestError
from ktlsserve.http1.head import head_end, parse_head, skip_leading_crlf
from ktlsserve.http1.request import BodyKind, HeadLimits, Request
from tests.support.corpus import load_cases

LIMITS = HeadLimits(head_bytes=300, target_bytes=60, headers=6)
WIDE = HeadLimits()

# Pieces that heads are made of, sound and not; their concatenations reach every branch of the parser.
PIECES = st.sampled_from(
    [
        *(
            b"GET",
            b"HEAD",
            b"get",
            b" ",
            b"  ",
            b"/",
            b"/a?b",
            b"*",
            b"http://h/",
            b"HTTP/1.1",
            b"HTTP/1.0",
            b"HTTP/2.0",
        ),
        *(b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b"\t", b"\x7f", b"\x80", b"\x16\x03\x01", b":", b": "),
        *(b"Host: a\r\n", b"Host:\r\n", b"X: y\r\n", b" folded\r\n", b"X : y\r\n", b"Connection: close\r\n"),
        *(
            b"Content-Length: 5\r\n",
            b"Content-Length: 5, 5\r\n",
            b"Content-Length: +5\r\n",
            b"Expect: 100-continue\r\n",
        ),
        *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"a" * 50, b"GET / HTTP/1.1\r\n"),
    ]
)
NOISE = st.lists(PIECES | st.binary(max_size=5), max_size=12).map(b"".join)
CORPUS_HEADS = sorted({case.send for case in load_cases() if len(case.send) < 2000})


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return the bytes of a corpus case with a few octets replaced, inserted or deleted."""
    data = bytearray(draw(st.sampled_from(CORPUS_HEADS)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        data[start : start + draw(st.integers(0, 2))] = draw(st.binary(max_size=2) | PIECES)
    return bytes(data)


HEADS = NOISE | mutated()


def verdict(data: bytes, limits: HeadLimits, cuts: list[int]) -> Request | str | None:
    """Look at growing prefixes of ``data`` as a worker does; return the request, the error, or None."""
    buffer = bytearray()
    searched = 0
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    for start, end in zip([0, *ends], ends, strict=False):
        buffer += data[start:end]
        skipped = skip_leading_crlf(buffer)
        if skipped:
            del buffer[:skipped]
            searched = 0
        try:
            found = head_end(buffer, limits, searched)
            if found >= 0:
                return parse_head(bytes(buffer[:found]), limits)
        except RequestError as error:
            return f"{error.status} fatal={error.fatal}"
        searched = len(buffer)
    return None


@given(HEADS | st.binary(max_size=400))
def test_parse_head_raises_nothing_but_request_errors(data: bytes) -> None:
    refusal = None
    try:
        request = parse_head(data, LIMITS)
    except RequestError as error:
        refusal = error
    if refusal is None:
        assert len(request.headers) <= LIMITS.headers
        assert len(request.target) <= LIMITS.target_bytes
    else:
        assert refusal.fatal
        assert refusal.status in (400, 414, 431, 501, 505)


@given(HEADS, st.lists(st.integers(0, 400), max_size=10))
@example(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", [1])
@example(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", [24, 25, 26])
@example(b"A" * 299 + b"\r\n", [299, 300])
@example(b"GET /" + b"a" * 60 + b"\x00", [65])
@example(b"GET / HTTP/1.1\r\nX: " + b"a" * 281 + b"\n", [300])
def test_any_split_gives_the_same_verdict(data: bytes, cuts: list[int]) -> None:
    whole = verdict(data, LIMITS, [])
    assert verdict(data, LIMITS, cuts) == whole
    assert verdict(data, LIMITS, list(range(len(data)))) == whole


@given(HEADS)
def test_whatever_is_accepted_h11_accepts_as_the_same_request(data: bytes) -> None:
    try:
        request = parse_head(data, WIDE)
    except RequestError:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    event = connection.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method, event.target) == (request.method, request.target)
    assert tuple(event.headers) == request.headers
    lengths = [value for name, value in request.headers if name == b"content-length"]
    codings = [value for name, value in request.headers if name == b"transfer-encoding"]
    expected = BodyKind.CHUNKED if codings else BodyKind.LENGTH if lengths and int(lengths[0]) else BodyKind.NONE
    assert request.body.kind is expected
    if expected is BodyKind.LENGTH:
        assert request.body.length == int(lengths[0])


TOKENS = st.text("abcXYZ019-_.!#$%&'*+^`|~", min_size=1, max_size=12).map(str.encode)
VALUES = st.binary(max_size=12).filter(
    lambda value: value == value.strip(b" \t") and all(octet == 9 or 32 <= octet != 127 for octet in value)
)
SPACE = st.text(" \t", max_size=2).map(str.encode)
SPECIAL_NAMES = (b"host", b"content-length", b"transfer-encoding", b"connection")


@given(
    TOKENS,
    st.text("abc/?&%=.:@+,;!~*'()$-_|{}[]", min_size=1, max_size=20).map(str.encode),
    st.lists(st.tuples(TOKENS, SPACE, VALUES, SPACE), max_size=5),
)
def test_whatever_the_grammar_allows_is_accepted_as_it_is(
    method: bytes, target: bytes, fields: list[tuple[bytes, bytes, bytes, bytes]]
) -> None:
    fields = [field for field in fields if field[0].lower() not in SPECIAL_NAMES]
    lines = [name + b":" + before + value + after + b"\r\n" for name, before, value, after in fields]
    head = method + b" " + target + b" HTTP/1.1\r\nHost: h\r\n" + b"".join(lines) + b"\r\n"
    request = parse_head(head, WIDE)
    assert (request.method, request.target) == (method, target)
    assert request.headers == ((b"host", b"h"), *((name.lower(), value) for name, _, value, _ in fields))
