"""What a request head says, once it has been checked.

Nothing here parses: :mod:`ktlsserve.http1.head` makes these objects from bytes, and whatever makes one by another way
(a faster parser, a test) must make an equal one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class BodyKind(Enum):
    """How the end of a request's body is found (RFC 9112 section 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"


@dataclass(frozen=True, slots=True)
class BodyFraming:
    """The framing of a request's body; ``length`` is in bytes and means something for ``LENGTH`` only.

    A ``Content-Length: 0`` is ``NONE``: no byte follows, so there is nothing to frame.
    """

    kind: BodyKind
    length: int = 0


NO_BODY = BodyFraming(BodyKind.NONE)
CHUNKED_BODY = BodyFraming(BodyKind.CHUNKED)


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """What a request head may measure; past a limit the answer is 414 or 431."""

    head_bytes: int = 16384
    """From the method to the blank line. 16 KiB holds the cookies of one origin (browsers stop at 4 KiB each, and at
    about 8 KiB for most servers); IIS takes 16 KiB too, nginx 8 to 32 KiB."""

    target_bytes: int = 8192
    """The request-target. RFC 9112 section 3 recommends at least 8000 bytes for the whole request line."""

    headers: int = 100
    """Header lines. Apache's default; a browser behind two proxies sends about 30."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request head.

    ``method`` and ``target`` are as received. ``http_version`` is ``b"1.0"`` or ``b"1.1"``: a higher minor version is
    answered as 1.1 (RFC 9110 section 2.5). ``headers`` holds (lower-case name, value without surrounding whitespace) in
    the order of the wire. ``keep_alive`` is what the version and the Connection header allow (RFC 9112 section 9.3).
    """

    method: bytes
    target: bytes
    http_version: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    keep_alive: bool
    body: BodyFraming = NO_BODY

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the field ``name`` (lower case), or None when it is missing.

        Several lines of one name are combined with a comma, as RFC 9110 section 5.2 says; a field that isn't a list
        then has a value that its own grammar refuses, which is what repeating it deserves.
        """
        values = [value for field, value in self.headers if field == name]
        if not values:
            return None
        return values[0] if len(values) == 1 else b", ".join(values)

    def expects_continue(self) -> bool:
        """Tell whether the client waits for a 100 before it sends its body (RFC 9110 section 10.1.1).

        An expectation in HTTP/1.0 is ignored, as that section demands.
        """
        if self.http_version == b"1.0":
            return False
        expect = self.header(b"expect")
        return expect is not None and expect.lower() == b"100-continue"
