"""Content-Disposition for files to be saved rather than shown (RFC 6266)."""

from __future__ import annotations

import re
from urllib.parse import quote

# Quotes and backslashes need escapes that clients undo differently, and some decode percent signs (RFC 6266
# appendix D): such a name is given in the extended form, with a plain one that resembles it beside.
_NOT_PLAIN = re.compile(r"[^ !#$&-\[\]-~]")
# attr-char of RFC 8187 section 3.2.1, less what quote() leaves alone by itself.
_ATTRIBUTE_CHARACTERS = "!#$&+^`|"


def attachment(path: bytes) -> bytes:
    """Return the field's value for a file, whose name is the last segment of ``path``; octets may be any."""
    name = path.rpartition(b"/")[2].decode("utf-8", "replace")
    plain = _NOT_PLAIN.sub("_", name)
    value = f'attachment; filename="{plain}"'
    if plain != name:
        value += f"; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE_CHARACTERS)}"
    return value.encode("ascii")
