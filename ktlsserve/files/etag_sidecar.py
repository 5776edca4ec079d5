r"""The small file beside a file that has its entity-tag ready: what is in it, and when it counts.

``app.js.etag`` beside ``app.js`` holds the value of the ETag field, quotes included (RFC 9110 section 8.8.3), as Caddy
reads it with ``etag_file_extensions .etag``. It is the tag that the server would make of the content: a site whose
files have sidecars on some machines only has the same tags on all of them. ``ktlsserve etags`` writes them; a shell
does with::

    printf '"%s-%x"' "$(b2sum -l 128 <app.js | cut -c1-32)" "$(stat -c %s app.js)" >app.js.etag
    touch -r app.js app.js.etag

It counts if it has the same time of modification as its file, to the nanosecond, and names the file's size. The same
time, rather than a later one, because a fleet's copies aren't made in one step: a sidecar that arrives before its file
(or after it) belongs to another version than the one that lies beside it, and a new tag sent with old content would
have caches keep the old one for good. Where all times are stripped, the size is all that is left of this check: there,
folders are to be replaced as a whole.
"""

from __future__ import annotations

import re

SUFFIX = b".etag"

LONGEST_BYTES = 1 + 32 + 1 + 16 + 1 + 1
"""No sidecar is longer: quote, hash, hyphen, the digits of 2**64 - 1, quote, line end."""

# The syntax of RFC 9110 and more: only what content_etag makes. A tag of any other kind couldn't be told to be stale.
_SIDECAR = re.compile(rb'(?P<etag>"[0-9a-f]{32}-(?P<size>0|[1-9a-f][0-9a-f]{0,15})")\n?')


def unpack_sidecar(data: bytes, size: int) -> bytes | None:
    """Return the entity-tag in a sidecar; None where it isn't one, or is one of content of another size."""
    match = _SIDECAR.fullmatch(data)
    return match["etag"] if match is not None and int(match["size"], 16) == size else None


def is_sidecar(data: bytes) -> bool:
    """Tell whether this is what a sidecar holds, of whatever content."""
    return _SIDECAR.fullmatch(data) is not None
