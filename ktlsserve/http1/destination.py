"""Where redirects and rewrites lead: fixed text, with the request's path or a part of it behind its last slash.

What a client sends only ever stands behind a slash that the operator wrote, behind the host where there is one, and is
encoded anew from the decoded path. So it can't name another host, whatever it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote_from_bytes

from ktlsserve.http1.glob import Glob
from ktlsserve.http1.head import HOST
from ktlsserve.http1.target import PATH_SAFE, Target

# What RFC 3986 lets stand in a URI, percent-encodings included.
_URI_TEXT = re.compile(r"(?:[-A-Za-z0-9._~:/?#@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)/.*", re.IGNORECASE)
_FILE_PATH = re.compile(r"(?:/(?!\.)[^/\x00-\x1f\x7f]+)*")


class Part(Enum):
    """What of the request's path a destination ends in."""

    NOTHING = ""
    PATH = "{path}"
    REST = "{rest}"


@dataclass(frozen=True, slots=True)
class Destination:
    """``prefix``, and behind it ``part`` of the path that was asked for."""

    prefix: str
    part: Part = Part.NOTHING

    def location(self, target: Target, glob: Glob) -> bytes:
        """Return where a redirect leads, as the value of Location; the query goes along unless there is another."""
        location = self.prefix.encode("ascii") + quote_from_bytes(self._text(target, glob), PATH_SAFE).encode("ascii")
        if target.query is None or "?" in self.prefix or "#" in self.prefix:
            return location
        return location + b"?" + target.query

    def rewritten(self, target: Target, glob: Glob) -> Target:
        """Return the target that a rewrite puts in the place of ``target``."""
        path = self.prefix.encode() + self._text(target, glob)
        return Target(path.strip(b"/"), path.endswith(b"/"), target.query, target.raw_path, target.authority)

    def _text(self, target: Target, glob: Glob) -> bytes:
        if self.part is Part.NOTHING:
            return b""
        path = canonical_path(target)
        text = path[1:] if self.part is Part.PATH else glob.rest(path)
        return text.encode("utf-8", "surrogateescape")


def canonical_path(target: Target) -> str:
    """Return the decoded path of ``target`` as patterns see it: a slash first, and last where it named a folder."""
    path = target.path.decode("utf-8", "surrogateescape")
    return f"/{path}/" if target.directory and path else f"/{path}"


def parse_redirect(text: str) -> Destination:
    """Return the destination of a redirect: ``/path`` or ``https://host/path``; raises ValueError."""
    destination = _split(text)
    prefix = destination.prefix
    if _URI_TEXT.fullmatch(prefix) is None:
        raise ValueError("must be a URL, other characters than those of RFC 3986 percent-encoded")
    absolute = _ABSOLUTE.fullmatch(prefix)
    if absolute is not None:
        if HOST.fullmatch(absolute[1].encode()) is None:
            raise ValueError(f"has no valid host: {absolute[1]!r}")
    elif not prefix.startswith("/") or prefix.startswith("//"):
        raise ValueError("must be a path that starts with one slash, or https://HOST/")
    if destination.part is not Part.NOTHING and ("?" in prefix or "#" in prefix):
        raise ValueError(f"{destination.part.value} must be part of the path")
    return destination


def parse_rewrite(text: str) -> Destination:
    """Return the destination of a rewrite, a decoded path beneath the root; raises ValueError."""
    destination = _split(text)
    prefix = destination.prefix
    if not prefix.startswith("/") or _FILE_PATH.fullmatch(prefix.removesuffix("/")) is None:
        raise ValueError("must be a path: a slash first, no empty segments, no hidden names, no control characters")
    return destination


def _split(text: str) -> Destination:
    for part in (Part.PATH, Part.REST):
        if text.endswith("/" + part.value):
            prefix = text.removesuffix(part.value)
            break
    else:
        prefix, part = text, Part.NOTHING
    if "{" in prefix or "}" in prefix:
        raise ValueError("{path} or {rest} may stand at the end only, behind a slash")
    return Destination(prefix, part)
