"""From the bytes of a request head to a :class:`~ktlsserve.http1.request.Request`.

Theory of operation
-------------------
A head is judged twice. ``head_end`` looks at a growing buffer and says where the head ends, or that it can't become
one; ``parse_head`` judges the whole head. A client may split its bytes anywhere, so both must come to the same verdict:
the faults that ``head_end`` can see in a part of a head (an octet that is never allowed, a target or a head that is too
long) are decided by *the first position in the stream* at which one is certain, and ``parse_head`` looks for the same
faults in the same way before it looks for any other.

The grammar is h11's, with checks before it where h11 is more lenient than RFC 9112: it takes bare LF for CRLF, joins
folded lines, lets control characters through, accepts a Content-Length beside a Transfer-Encoding and ``5, 5`` as a
length. All of these have been used to make two servers disagree about where a request ends. Here each is an error, and
every error of this module is fatal: after a head that can't be trusted, no later byte can.
"""

from __future__ import annotations

import re

import h11

from ktlsserve.errors import RequestError
from ktlsserve.http1.request import CHUNKED_BODY, NO_BODY, BodyFraming, BodyKind, HeadLimits, Request

TOKEN = rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+"
"""RFC 9110 section 5.6.2."""

HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[-A-Za-z0-9._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)(?::[0-9]*)?",
)
"""uri-host [":" port] (RFC 9110 section 7.2), without the empty host that sections 4.2.1 and 4.2.2 refuse."""

_TOKEN_OCTETS = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
# What may stand in a head, and then the first octet that may not: a control character, a bare LF, or a CR before
# anything but LF. A CR at the very end may get its LF yet.
_FAULT = re.compile(rb"(?:[\t\x20-\x7e\x80-\xff]++|\r\n)*+(?P<octet>[^\r]|\r(?!\Z))")
_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\r\n")
_FIELD_LINES = re.compile(rb"(?:" + TOKEN + rb"+:[\t\x20-\x7e\x80-\xff]*+\r\n)*+\r\n")
_LENGTH = re.compile(rb"[0-9]{1,19}")


def skip_leading_crlf(buffer: bytes | bytearray) -> int:
    """Return how many bytes of empty lines precede the request line.

    RFC 9112 section 2.2 wants at least one ignored: old clients send one after a body. All complete ones are counted,
    so that the caller needs no memory of having skipped any; a lone CR at the end may still become one.
    """
    skipped = 0
    while buffer.startswith(b"\r\n", skipped):
        skipped += 2
    return skipped


def head_end(buffer: bytes | bytearray, limits: HeadLimits, searched: int = 0) -> int:
    """Return the index just past the blank line that ends the head, or -1 while it is incomplete.

    ``buffer`` starts at the request line (see :func:`skip_leading_crlf`); ``searched`` is its length at the last call
    that returned -1, so that a head which trickles in is read once only. Raises RequestError (400, 414 or 431, always
    fatal) as soon as the bytes can't become a request within the limits. A head that is complete isn't looked at: that
    is for :func:`parse_head`, which comes to the same verdict.
    """
    found = buffer.find(b"\r\n\r\n", max(0, searched - 3), limits.head_bytes)
    if found >= 0:
        return found + 4
    if not buffer or buffer == b"\r":
        return -1
    # A CR that was last must be seen again, now with what follows it.
    _check_start(buffer, limits, searched - buffer.endswith(b"\r", 0, searched))
    if len(buffer) >= limits.head_bytes:
        if buffer.find(b"\r\n", 0, limits.head_bytes) < 0:
            raise _fatal(414, "request line longer than the limit for a head")
        raise _fatal(431, "request head too long")
    return -1


def parse_head(head: bytes, limits: HeadLimits) -> Request:
    """Parse a complete request head, from the request line to the blank line.

    Raises RequestError, always fatal: 400 for anything that RFC 9112 doesn't allow, 414 and 431 past the limits, 501
    for a transfer-coding other than chunked (RFC 9112 section 6.1), 505 for another major version. A method that isn't
    known is no fault of the head: :func:`ktlsserve.http1.answer.answer` says 501 to it and goes on.
    """
    if len(head) > limits.head_bytes:
        raise _fatal(431, "request head too long")
    _check_start(head, limits, 0)
    if head.count(b"\r\n") - 2 > limits.headers:
        raise _fatal(431, "too many header lines")
    line = _REQUEST_LINE.match(head)
    if line is None:
        raise _fatal(400, "malformed request line")
    if line[3] != b"1":
        raise _fatal(505, "HTTP major version is not 1")
    if _FIELD_LINES.fullmatch(head, line.end()) is None:
        raise _fatal(400, "malformed header line")
    http_version = b"1.0" if line[4] == b"0" else b"1.1"
    fields = _split_fields(head[line.end() : -2])
    _check_host(fields, http_version)
    body = _body_framing(fields, http_version)
    event = _read_by_h11(head)
    keep_alive = _keep_alive(fields, http_version)
    return Request(event.method, event.target, http_version, tuple(event.headers), keep_alive, body)


def _check_start(buffer: bytes | bytearray, limits: HeadLimits, start: int) -> None:
    """Raise the fault that comes first in the stream, among those that a part of a head can show."""
    end = min(len(buffer), limits.head_bytes)
    if not buffer or buffer[0] not in _TOKEN_OCTETS:
        raise _fatal(400, "not an HTTP request")
    fault = _FAULT.match(buffer, start, end)
    long_at = _overlong_target(buffer, end, limits.target_bytes)
    if fault is not None and not 0 <= long_at < fault.start("octet"):
        raise _fatal(400, "control character, bare CR or bare LF in the request head")
    if long_at >= 0:
        raise _fatal(414, "request-target too long")


def _overlong_target(buffer: bytes | bytearray, end: int, target_bytes: int) -> int:
    """Return the index of the first byte that makes the target too long, or -1."""
    if end <= target_bytes:
        return -1
    space = buffer.find(b" ", 0, end)
    long_at = space + 1 + target_bytes
    if space < 0 or long_at >= end or buffer.find(b"\r", 0, space) >= 0:
        return -1
    ended = buffer.find(b" ", space + 1, long_at + 1) >= 0 or buffer.find(b"\r", space + 1, long_at + 1) >= 0
    return -1 if ended else long_at


def _split_fields(lines: bytes) -> tuple[tuple[bytes, bytes], ...]:
    fields = []
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        fields.append((name.lower(), value.strip(b" \t")))
    return tuple(fields)


def _check_host(fields: tuple[tuple[bytes, bytes], ...], http_version: bytes) -> None:
    """Demand one valid Host in HTTP/1.1, and at most one in HTTP/1.0 (RFC 9112 section 3.2)."""
    hosts = [value for name, value in fields if name == b"host"]
    if len(hosts) > 1:
        raise _fatal(400, "more than one Host")
    if not hosts:
        if http_version == b"1.0":
            return
        raise _fatal(400, "no Host")
    if HOST.fullmatch(hosts[0]) is None:
        raise _fatal(400, "invalid Host")


def _body_framing(fields: tuple[tuple[bytes, bytes], ...], http_version: bytes) -> BodyFraming:
    """Find how the body is framed (RFC 9112 section 6.3), refusing all that another server might read otherwise."""
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if codings:
        if lengths:
            raise _fatal(400, "Content-Length beside Transfer-Encoding")
        if http_version == b"1.0":
            raise _fatal(400, "Transfer-Encoding in HTTP/1.0")
        return _transfer_coding(codings)
    if not lengths:
        return NO_BODY
    if len(lengths) > 1:
        raise _fatal(400, "more than one Content-Length")
    if _LENGTH.fullmatch(lengths[0]) is None:
        raise _fatal(400, "invalid Content-Length")
    length = int(lengths[0])
    return BodyFraming(BodyKind.LENGTH, length) if length else NO_BODY


def _transfer_coding(values: list[bytes]) -> BodyFraming:
    """Accept chunked alone; RFC 9112 section 6.3 wants 400 where it isn't the last, 6.1 wants 501 for others."""
    codings = [coding.strip(b" \t").lower() for value in values for coding in value.split(b",")]
    if codings == [b"chunked"]:
        return CHUNKED_BODY
    if codings[-1] != b"chunked" or b"chunked" in codings[:-1] or b"" in codings:
        raise _fatal(400, "chunked is not the last transfer-coding, or not the only chunked one")
    raise _fatal(501, "unknown transfer-coding")


def _keep_alive(fields: tuple[tuple[bytes, bytes], ...], http_version: bytes) -> bool:
    """Apply RFC 9112 section 9.3: close wins; without it 1.1 persists, and 1.0 does where the client asked for it."""
    options = {
        option.strip(b" \t").lower() for name, value in fields if name == b"connection" for option in value.split(b",")
    }
    if b"close" in options:
        return False
    return http_version == b"1.1" or b"keep-alive" in options


def _read_by_h11(head: bytes) -> h11.Request:
    """Let the reference parser have the last word: whatever it refuses is refused, what it reads is the request."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(head))
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise _fatal(error.error_status_hint, str(error)) from None
    if not isinstance(event, h11.Request):
        raise _fatal(400, "no request")
    return event


def _fatal(status: int, reason: str) -> RequestError:
    return RequestError(status, reason, fatal=True)
