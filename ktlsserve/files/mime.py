"""Media types of files by the extension of their name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ktlsserve.files.mime_types import EXTENSIONS_OF_TYPE

DEFAULT_TYPE = b"application/octet-stream"
# RFC 9110 section 8.3.1: type "/" subtype *( OWS ";" OWS parameter ), names being tokens (section 5.6.2).
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf'{_NAME}/{_NAME}(?:[ \t]*;[ \t]*{_NAME}=(?:{_NAME}|"[ !#-\[\]-~]*"))*')


class MimeTable:
    """Media types by extension, the shipped table unless overridden.

    ``overrides`` maps extensions, with or without their dot and in any case, to media types; an empty type removes
    an extension, so that ``default`` applies. ``charset`` is added to every ``text/*`` type that names none (those
    of ``overrides`` too); None adds nothing. Other types get none: JSON has only UTF-8 (RFC 8259 section 8.1), and XML,
    SVG among it, declares its own (RFC 7303 section 3.2), which a parameter would overrule.

    Raises ValueError for what isn't a media type or can't be the last extension of a name.
    """

    __slots__ = ("_default", "_types")

    def __init__(
        self,
        overrides: Mapping[str, str] | None = None,
        *,
        default: str = DEFAULT_TYPE.decode(),
        charset: str | None = "utf-8",
    ) -> None:
        types = {
            extension: media_type for media_type, names in EXTENSIONS_OF_TYPE.items() for extension in names.split()
        }
        for name, media_type in (overrides or {}).items():
            extension = name.lower().removeprefix(".")
            if not extension or "." in extension or "/" in extension:
                raise ValueError(f"not the last extension of a file name: {name!r}")
            types[extension] = media_type
        self._types = {
            extension.encode(): _header_value(media_type, charset)
            for extension, media_type in types.items()
            if media_type
        }
        self._default = _header_value(default, charset)

    def type_of(self, path: bytes) -> bytes:
        """Return the Content-Type of the file at ``path``, by its last extension in any case.

        A dot that begins the name begins no extension (``.profile`` has none).
        """
        stem, _, extension = path[path.rfind(b"/") + 1 :].rpartition(b".")
        if not stem:
            return self._default
        return self._types.get(extension.lower(), self._default)


def _header_value(media_type: str, charset: str | None) -> bytes:
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise ValueError(f"not a media type: {media_type!r}")
    lower = media_type.lower()
    if charset is not None and lower.startswith("text/") and "charset=" not in lower:
        media_type = f"{media_type}; charset={charset}"
    return media_type.encode("ascii")
