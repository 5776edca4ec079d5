"""What of a request head its reply depends on.

Most heads differ in fields that a file server never looks at: a load balancer adds an X-Request-Id to each. Two heads
with the same *key* are answered alike: the same request line, the same values of the same fields in the same order
among those in ``RELEVANT_FIELDS``, and everything else no more than well-formed. So a reply that was worked out for one
serves the other, without parsing it.

The check is the same as ``parse_head``'s for what it lets through, and lets through less: whatever it isn't sure of has
no key, and goes to the parser. That two heads with equal keys are both refused by the parser, or both accepted with
equal relevant fields, is a property test.

Lines of the access log say a little more of a request than its reply depends on: ``NOTED_FIELDS``. Who keeps such lines
gets those fields' lines beside the key.
"""

from __future__ import annotations

import re

from ktlsserve.http1.head import TOKEN
from ktlsserve.http1.request import HeadLimits

RELEVANT_FIELDS = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"access-control-request-headers",
        b"access-control-request-method",
        b"authorization",
        b"connection",
        b"content-length",
        b"expect",
        b"forwarded",
        b"host",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"origin",
        b"range",
        b"transfer-encoding",
        b"upgrade",
        b"x-forwarded-for",
    }
)
"""Fields that framing or a reply may depend on. ``Request.header`` is asked for no other one: a test watches it."""

NOTED_FIELDS = frozenset({b"referer", b"user-agent"})
"""Fields that are only written down: the access log finds no others in a head, and a test watches that too."""

# Everything that a field line may hold, so that nothing but the line ends is left over.
_ALLOWED_OCTETS = bytes((0x09, *range(0x20, 0x7F), *range(0x80, 0x100)))
_REQUEST_LINE = re.compile(rb"(?:GET|HEAD) /[\x21-\x7e]* HTTP/1\.1")
_NAME = re.compile(TOKEN)
_IRRELEVANT, _RELEVANT, _NOTED = range(3)
# Names seen before, as sent, with what they are for; bounded, because clients can invent them.
_known_names: dict[bytes, int] = {}
_MOST_KNOWN_NAMES = 512

RequestKey = tuple[bytes, ...]


def request_key(head: bytes, limits: HeadLimits, noted: list[bytes] | None = None) -> RequestKey | None:
    """Return the key of a complete head (request line to blank line), or None where only the parser may judge.

    The lines of ``NOTED_FIELDS`` are added to ``noted``, as they came.
    """
    lines = head.split(b"\r\n")
    if len(lines) - 3 > limits.headers or len(head) > limits.head_bytes:
        return None
    if len(head.translate(None, _ALLOWED_OCTETS)) != 2 * (len(lines) - 1):
        # A control character, a bare CR or a bare LF.
        return None
    request_line = lines[0]
    if _REQUEST_LINE.fullmatch(request_line) is None:
        return None
    key = [request_line]
    for line in lines[1:-2]:
        name, colon, value = line.partition(b":")
        use = _known_names.get(name)
        if use is None:
            use = _judge_name(name)
        if use is None or not colon:
            return None
        if use == _RELEVANT:
            key.append(name.lower())
            key.append(value.strip(b" \t"))
        elif use == _NOTED and noted is not None:
            noted.append(line)
    return tuple(key)


def _judge_name(name: bytes) -> int | None:
    """Tell what a field of this name is for; None for what is no name (a folded line, a space before the colon)."""
    if _NAME.fullmatch(name) is None:
        return None
    lower = name.lower()
    use = _RELEVANT if lower in RELEVANT_FIELDS else _NOTED if lower in NOTED_FIELDS else _IRRELEVANT
    if len(_known_names) >= _MOST_KNOWN_NAMES:
        _known_names.clear()
    _known_names[name] = use
    return use
