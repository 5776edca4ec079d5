"""From HTTP/3's fields to a request of ktlsserve's core, and from its replies to HTTP/3's fields (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from ktlsserve.http1.request import Request

Fields = list[tuple[bytes, bytes]]
# Fields about a connection have no place in HTTP/3 (RFC 9114 section 4.2).
_OF_CONNECTIONS = frozenset((b"connection", b"keep-alive", b"transfer-encoding"))


def request_of(fields: Iterable[tuple[bytes, bytes]]) -> Request | None:
    """Return the request that ``fields`` say, None where it is malformed: no method or path (RFC 9114 section 4.3.1).

    Its body, if any, is not for a server of files, and HTTP/3 frames it: nothing is said of it here.
    """
    pseudo: dict[bytes, bytes] = {}
    others: Fields = []
    for name, value in fields:
        if name.startswith(b":"):
            pseudo[name] = value
        else:
            others.append((name, value))
    method, path = pseudo.get(b":method"), pseudo.get(b":path")
    if not method or not path:
        return None
    if b":authority" in pseudo:
        others.insert(0, (b"host", pseudo[b":authority"]))
    return Request(method, path, b"1.1", tuple(others), keep_alive=True)


def reply_fields(head: bytes) -> Fields:
    """Return the fields of a reply's head, the status among them, as HTTP/3 has them: names in lower case."""
    status, *lines = head.rstrip(b"\r\n").split(b"\r\n")
    fields = [(b":status", status.split(b" ", 2)[1])]
    for line in lines:
        name, _, value = line.partition(b": ")
        lower = name.lower()
        if lower not in _OF_CONNECTIONS:
            fields.append((lower, value))
    return fields
