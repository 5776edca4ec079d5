"""Heads with the same key are the same request to the parser, but for what no reply depends on."""

from __future__ import annotations

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st

from ktlsserve.errors import RequestError
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.request import HeadLimits
from ktlsserve.http1.request_key import NOTED_FIELDS, RELEVANT_FIELDS, RequestKey, request_key
from ktlsserve.observe.access_line import RequestFields

LIMITS = HeadLimits(head_bytes=600, target_bytes=40, headers=12)

names = st.sampled_from(
    [
        *(b"Host", b"host", b"HOST", b"Connection", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Range"),
        *(
            b"Accept-Encoding",
            b"If-None-Match",
            b"Upgrade",
            b"X-Request-Id",
            b"User-Agent",
            b"user-agent",
            b"Referer",
            b"REFERER",
            b"Cookie",
            b"Te",
            b"a",
        ),
    ]
)
values = st.sampled_from(
    [
        *(
            b"",
            b"a",
            b"localhost",
            b"[::1]:80",
            b"a b",
            b"close",
            b"keep-alive",
            b"0",
            b"5",
            b"+5",
            b"chunked",
            b"gzip",
        ),
        *(b"100-continue", b"bytes=0-1", b"a,b", b'"tag"', b"\t", b"h2c", b"x" * 30),
    ]
) | st.binary(max_size=4)
spaces = st.sampled_from([b"", b" ", b"\t", b"  \t "])
lines = st.builds(lambda *parts: b"".join(parts), names, st.just(b":"), spaces, values, spaces)
odd_lines = st.sampled_from(
    [b"", b" folded", b"X : y", b":", b"a", b"X:\x00", b"X:\r", b"X:\n", b"\xff: x", b"X: \xff"]
)
request_lines = st.sampled_from([b"GET / HTTP/1.1", b"HEAD / HTTP/1.1", b"GET /a?b HTTP/1.1"]) | st.sampled_from(
    [
        *(b"GET / HTTP/1.0", b"GET / HTTP/1.1 ", b"POST / HTTP/1.1", b"GET // HTTP/1.1", b"GET / HTTP/1.2"),
        *(b"GET /" + b"x" * 39 + b" HTTP/1.1", b"GET /" + b"x" * 40 + b" HTTP/1.1"),
        *(b"GET /#f HTTP/1.1", b'GET /" HTTP/1.1', b"GET /[] HTTP/1.1"),
    ]
)


def head_of(request_line: bytes, host: list[bytes], fields: list[bytes], odd: list[bytes]) -> bytes:
    """Put a head together, the odd lines in the middle."""
    middle = len(fields) // 2
    return b"\r\n".join((request_line, *host, *fields[:middle], *odd, *fields[middle:], b"", b""))


heads = st.builds(
    head_of,
    request_lines,
    st.sampled_from([[b"Host: localhost"], [b"host:\ta "], []]),
    st.lists(lines, max_size=12),
    st.just([]) | st.lists(odd_lines, max_size=1),
)


def verdict(head: bytes) -> object:
    """Return what the parser makes of it, without the fields that don't matter."""
    try:
        request = parse_head(head, LIMITS)
    except RequestError as error:
        return error.status, error.fatal
    relevant = tuple(field for field in request.headers if field[0] in RELEVANT_FIELDS)
    return request.method, request.target, request.http_version, request.keep_alive, request.body, relevant


def plainest_head(key: RequestKey) -> bytes:
    """Return the head with this key that has nothing else in it."""
    fields = [name + b": " + value for name, value in zip(key[1::2], key[2::2], strict=True)]
    return b"\r\n".join((key[0], *fields, b"", b""))


@given(heads)
@example(b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: a\r\nX:\t\x0b\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n")
def test_a_key_holds_all_that_the_parser_goes_by(head: bytes) -> None:
    key = request_key(head, LIMITS)
    assume(key is not None)
    assert key is not None
    plain = plainest_head(key)
    assert request_key(plain, LIMITS) == key
    assert verdict(head) == verdict(plain)


@given(heads)
@example(b"GET / HTTP/1.1\r\nHost: a\r\nReferer: 1\r\nUser-Agent:2\r\nreferer: 3\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nX: referer:\r\nHost: referer: a\r\n\r\n")
def test_the_log_says_nothing_but_what_is_in_the_key_and_the_noted_lines(head: bytes) -> None:
    noted: list[bytes] = []
    key = request_key(head, LIMITS, noted)
    assume(key is not None)
    assert key is not None
    assert key == request_key(head, LIMITS)
    assert {line.partition(b":")[0].lower() for line in noted} <= NOTED_FIELDS
    assert RequestFields.of(head) == RequestFields.of(b"\r\n".join((key[0], *noted, b"", b"")))


@given(heads, st.lists(st.tuples(st.integers(0, 12), st.sampled_from([b"X-Id", b"via", b"Trace"]), values), max_size=4))
def test_fields_that_do_not_matter_may_come_and_go(head: bytes, more: list[tuple[int, bytes, bytes]]) -> None:
    request_line, *fields = head.split(b"\r\n")[:-2]
    for position, name, value in more:
        fields.insert(position, name + b": " + value)
    longer = b"\r\n".join((request_line, *fields, b"", b""))
    keys = request_key(head, LIMITS), request_key(longer, LIMITS)
    if None not in keys:
        assert keys[0] == keys[1]
        assert verdict(head) == verdict(longer)


@given(heads | st.binary(max_size=200).map(lambda data: data + b"\r\n\r\n"))
def test_what_has_a_key_is_well_formed(head: bytes) -> None:
    """The parser may refuse it for what its fields say, never for how they are written."""
    refusal = ""
    if request_key(head, LIMITS) is not None:
        try:
            parse_head(head, LIMITS)
        except RequestError as error:
            refusal = error.reason
    assert not refusal or re.search("Host|Content-Length|coding|target|chunked", refusal)
