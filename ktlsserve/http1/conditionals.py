"""Preconditions (RFC 9110 section 13): whether a request is to be carried out, and whether its Range is.

A field that isn't well-formed never makes a client miss new content: a bad date is ignored, as sections 13.1.3 and
13.1.4 demand, and a bad list of entity-tags matches nothing.
"""

from __future__ import annotations

import re
from enum import Enum

from ktlsserve.http1.dates import parse_http_date
from ktlsserve.http1.request import Request

_FIELDS = frozenset((b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"))
# One element of a list (RFC 9110 section 8.8.3); elements may be empty (section 5.6.1.2).
_ELEMENT = re.compile(rb'[ \t]*(?:(?P<tag>(?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*)?(?:,|\Z)')


class Precondition(Enum):
    """What the preconditions of a GET or HEAD come to."""

    MET = "go on"
    NOT_MODIFIED = "304: the client has it"
    FAILED = "412: it isn't what the client takes it for"


def evaluate_preconditions(request: Request, etag: bytes | None, modified_s: int | None, now_s: int) -> Precondition:
    """Evaluate the preconditions of a GET or HEAD in the order of RFC 9110 section 13.2.2.

    ``etag`` is the strong entity-tag of the representation that would be sent, ``modified_s`` its Last-Modified in
    seconds since the epoch. Only for requests that would get a 200 otherwise (section 13.2.1).

    ``etag`` is None where it isn't known: no entity-tag matches it then, so a client that has the file gets it once
    more, and one that insists on having it gets 412; ``*`` matches, for there is a representation. ``modified_s`` is
    None where no date means anything: conditions on dates are ignored (sections 13.1.3 and 13.1.4).
    """
    if not any(name in _FIELDS for name, _ in request.headers):
        return Precondition.MET
    if_match = request.header(b"if-match")
    if if_match is not None:
        if not _matches(if_match, etag, weakly=False):
            return Precondition.FAILED
    elif _modified_since(request.header(b"if-unmodified-since"), modified_s, now_s) is True:
        return Precondition.FAILED
    if_none_match = request.header(b"if-none-match")
    if if_none_match is not None:
        return Precondition.NOT_MODIFIED if _matches(if_none_match, etag, weakly=True) else Precondition.MET
    if _modified_since(request.header(b"if-modified-since"), modified_s, now_s) is False:
        return Precondition.NOT_MODIFIED
    return Precondition.MET


def range_applies(request: Request, etag: bytes | None, modified_s: int | None, now_s: int) -> bool:
    """Tell whether If-Range, if there is one, lets the Range field count (RFC 9110 section 13.1.5).

    An entity-tag must match strongly. A date must be exactly the Last-Modified, and that second must be over: a file
    may change again within it and keep the date. One that changed twice in a second that is over can't be told by its
    date; clients that care have the entity-tag. What isn't known (None) doesn't match: the client gets the whole.
    """
    if_range = request.header(b"if-range")
    if if_range is None:
        return True
    if if_range.startswith((b'"', b"W/")):
        return if_range == etag
    return modified_s is not None and modified_s < now_s and parse_http_date(if_range, now_s) == modified_s


def last_modified_s(mtime_ns: int, now_s: int) -> int:
    """Return the time for Last-Modified, which is never later than the Date (RFC 9110 section 8.8.2.1)."""
    return min(mtime_ns // 1_000_000_000, now_s)


def _modified_since(date: bytes | None, modified_s: int | None, now_s: int) -> bool | None:
    """Tell whether the file changed after ``date``, or None where there is no valid one, or no date of the file's."""
    if date is None or modified_s is None:
        return None
    since_s = parse_http_date(date, now_s)
    return None if since_s is None else modified_s > since_s


def _matches(field: bytes, etag: bytes | None, *, weakly: bool) -> bool:
    """Tell whether ``*`` or a list of entity-tags matches a strong entity-tag (RFC 9110 section 8.8.3.2).

    One that isn't known matches ``*`` alone.
    """
    if field == b"*":
        return True
    if etag is None:
        return False
    found = False
    at = 0
    while at < len(field):
        element = _ELEMENT.match(field, at)
        if element is None:
            return False
        tag = element["tag"]
        if tag is not None and (tag == etag or (weakly and tag == b"W/" + etag)):
            found = True
        at = element.end()
    return found
