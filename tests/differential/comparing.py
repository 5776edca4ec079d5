"""What differs between two answers to one request, as far as it means anything.

Not compared are what is a server's own by definition: the values of Date and Server, and of entity-tags, of which only
the strength is. Where the statuses differ, the rest follows from that. Of an error or a redirect only its fields are
compared: what it says in words, and how long and in what type, is one thing, called "explanation".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.differential.asking import Answer

_OWN_VALUES = frozenset({"date", "server"})
_EXPLAINING = frozenset({"content-type", "content-length"})
_BOUNDARY = re.compile(r"multipart/byteranges; ?boundary=(\S+)")


@dataclass(frozen=True)
class Difference:
    """One aspect in which the answers to ``request`` differ; both sides as text, "none" for what isn't there."""

    request: str
    aspect: str
    ours: str
    theirs: str


def differences(request: str, ours: Answer, theirs: Answer) -> list[Difference]:
    """Compare the answers of both servers to one request."""
    views = view(ours), view(theirs)
    if ours.status != theirs.status:
        views = tuple({"status": seen["status"]} for seen in views)  # type: ignore[assignment]
    names = dict.fromkeys([*views[0], *views[1]])
    return [
        Difference(request, name, views[0].get(name, "none"), views[1].get(name, "none"))
        for name in names
        if views[0].get(name) != views[1].get(name)
    ]


def view(answer: Answer) -> dict[str, str]:
    """Return the aspects of an answer that are compared, by name."""
    explains = answer.status >= 300 and answer.status != 304
    seen = {"status": str(answer.status)}
    for name in sorted({name for name, _ in answer.fields}):
        value = answer.field(name) or ""
        if explains and name in _EXPLAINING:
            continue
        if name in _OWN_VALUES:
            value = "any"
        elif name == "etag":
            value = "weak" if value.startswith("W/") else "strong"
        seen[name] = value
    boundary = _BOUNDARY.fullmatch(answer.field("content-type") or "")
    if boundary is not None:
        # The boundary, and with it the length, is the server's own; asking has seen that the length is right.
        seen["content-type"] = "multipart/byteranges"
        seen.pop("content-length", None)
        seen["parts"] = _parts(answer.body, boundary[1].encode()) if answer.body else "none"
    elif explains:
        seen["explanation"] = f"{answer.field('content-type')}, {answer.field('content-length')} bytes"
    else:
        seen["body"] = "too long" if answer.body is None else repr(answer.body)
    return seen


def _parts(body: bytes, boundary: bytes) -> str:
    """Write the parts of a multipart body one after another: type, range and content (RFC 2046 section 5.1)."""
    # An empty preamble may have its CRLF or not.
    preamble, *parts, end = (b"\r\n" + body.removeprefix(b"\r\n")).split(b"\r\n--" + boundary)
    assert preamble == b"", body
    assert end == b"--\r\n", body
    seen = []
    for part in parts:
        head, blank, content = part.partition(b"\r\n\r\n")
        assert blank, body
        lines = sorted(line for line in head.decode("latin-1").split("\r\n") if line)
        seen.append(f"{lines} {content!r}")
    return "; ".join(seen)
