"""From a request-target to a path beneath the root.

The rule is to refuse and never to repair: a target that a careful client wouldn't send gets an error, not a guess at
what it may have meant. Percent-decoding happens once, and everything is checked after it. The file system has its own
guard (``openat2``, see :mod:`ktlsserve.files.root`); this one makes sure that nothing odd ever reaches it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ktlsserve.errors import RequestError
from ktlsserve.http1.head import HOST
from ktlsserve.http1.request import Request

WELL_KNOWN = b".well-known"
"""The one name with a leading dot that is served, at the top only (RFC 8615 section 3)."""

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://(?P<authority>[^/?]*)(?P<rest>.*)")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
PATH_SAFE = "/!$&'()*+,;=:@"
"""What RFC 3986 lets stand in a path, less what quoting always leaves alone."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request points to.

    ``path`` is relative to the root, decoded, without a slash at either end (``b""`` is the root itself);
    ``directory`` tells that the target ended in a slash; ``query`` is as received, without its question mark, None
    where there was none; ``raw_path`` is the path as received; ``authority`` is the host (and port) that an
    absolute-form target named, else None.
    """

    path: bytes
    directory: bool
    query: bytes | None
    raw_path: bytes
    authority: bytes | None = None

    def directory_location(self) -> bytes:
        """Return the same target with a slash at the end of its path, as an absolute path for a Location.

        It is made from the decoded path: it starts with exactly one slash and holds no backslash, so it can't name
        another host, whatever the client sent.
        """
        location = b"/" + quote_from_bytes(self.path, PATH_SAFE).encode() + b"/"
        return location if self.query is None else location + b"?" + self.query


def resolve_target(request: Request) -> Target:
    """Resolve the target of a request for a file: origin-form or absolute-form (RFC 9112 section 3.2).

    Raises RequestError, not fatal: 400 for another form, a bad escape, an encoded slash, a control character, a
    backslash, a fragment, a ``.`` or ``..`` segment; 404 for an empty segment and for hidden names.
    """
    authority, origin = _split_authority(request.target)
    if b"#" in origin:
        raise RequestError(400, "fragment in the request-target")
    raw_path, mark, query = origin.partition(b"?")
    if b"\\" in raw_path:
        # Browsers send a slash for it; some clients take one for the other, so that "/\host" would leave the site.
        raise RequestError(400, "backslash in the request-target")
    segments = _decoded_segments(raw_path)
    directory = segments[-1] == b""
    if directory:
        segments.pop()
    for position, segment in enumerate(segments):
        _check_segment(segment, position)
    return Target(b"/".join(segments), directory, query if mark else None, raw_path, authority)


def _split_authority(target: bytes) -> tuple[bytes | None, bytes]:
    """Return the authority of an absolute-form target and the rest in origin-form."""
    if target.startswith(b"/"):
        return None, target
    match = _ABSOLUTE_FORM.fullmatch(target)
    if match is None:
        raise RequestError(400, "request-target in a form that the method doesn't take")
    if HOST.fullmatch(match["authority"]) is None:
        # User information is refused too: RFC 9110 section 4.2.4 calls it an error and a likely deception.
        raise RequestError(400, "invalid authority in the request-target")
    rest: bytes = match["rest"]
    return match["authority"], rest if rest.startswith(b"/") else b"/" + rest


def _decoded_segments(raw_path: bytes) -> list[bytes]:
    if b"%" not in raw_path:
        return raw_path[1:].split(b"/")
    if _BAD_ESCAPE.search(raw_path) is not None:
        raise RequestError(400, "malformed percent-encoding")
    segments = [unquote_to_bytes(segment) for segment in raw_path[1:].split(b"/")]
    for segment in segments:
        if b"/" in segment:
            raise RequestError(400, "encoded slash")
        if _CONTROL.search(segment) is not None:
            raise RequestError(400, "encoded control character")
    return segments


def _check_segment(segment: bytes, position: int) -> None:
    if segment in (b".", b".."):
        raise RequestError(400, "dot segment")
    if not segment:
        raise RequestError(404, "empty segment")
    if segment.startswith(b".") and (position or segment != WELL_KNOWN):
        raise RequestError(404, "hidden name")
