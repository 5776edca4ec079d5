r"""Entity-tags made from a file's content, and the small files beside it that hold their hash ready.

``app.js.etag`` beside ``app.js`` is one line: the SHA-256 of the content in 64 hexadecimal digits, a space, its length
in bytes. ``ktlsserve compress --etags`` writes them; a shell does with::

    printf '%s %s\n' "$(sha256sum <app.js | cut -c1-64)" "$(stat -c %s app.js)" >app.js.etag

It holds what the server would work out itself, so a site whose files have sidecars on some machines only has the same
entity-tags on all of them.
"""

from __future__ import annotations

import re

SUFFIX = b".etag"

LONGEST_BYTES = 64 + 1 + 20 + 1
"""No sidecar is longer: digest, space, the digits of 2**64, line end."""

_SIDECAR = re.compile(rb"(?P<digest>[0-9a-f]{64}) (?P<size>[0-9]{1,20})\n?")


def content_etag(digest: bytes) -> bytes:
    """Return the strong entity-tag of content with this SHA-256 in hexadecimal digits.

    128 bits of it: that two versions of a file agree in them by chance doesn't happen.
    """
    return b'"%b"' % digest[:32]


def pack_sidecar(digest: bytes, size: int) -> bytes:
    """Return what the sidecar of ``size`` bytes of content with this SHA-256 (hexadecimal) holds."""
    return b"%b %d\n" % (digest, size)


def unpack_sidecar(data: bytes, size: int) -> bytes | None:
    """Return the digest in a sidecar; None where it isn't one, or is one of content of another length."""
    match = _SIDECAR.fullmatch(data)
    return match["digest"] if match is not None and int(match["size"]) == size else None


def is_sidecar(data: bytes) -> bool:
    """Tell whether this is what a sidecar holds, of whatever content."""
    return _SIDECAR.fullmatch(data) is not None
