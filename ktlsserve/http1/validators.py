"""What a reply says of its representation, so that a client can ask again under conditions (RFC 9110 section 8.8).

Usually both validators come with the open file: an entity-tag of its time and size, and its time as Last-Modified. A
site whose times mean nothing has an ``EtagSource``, and then

- the entity-tag is the source's. It may not be known yet: the reply then has none, rather than another one that would
  change although the content doesn't, and that would break off resumed downloads and have caches fetch everything
  twice. Such a reply is right but no more than that, so it names the ``Errand`` after which there is a better one.
- there is no date: "a last modification date [that] can be reasonably and consistently determined" is what section
  8.8.2.1 asks for. Where all files have the same time, or each machine its own, a 304 because of it would be wrong.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ktlsserve.http1.conditionals import last_modified_s
from ktlsserve.http1.dates import format_http_date
from ktlsserve.http1.reply import Errand, Fields, ServedFile
from ktlsserve.http1.representation import FileOpener, Representation


class EtagSource(Protocol):
    """Knows entity-tags, or what has to be done to know them; made of contents, so that times don't matter."""

    def find(self, file: ServedFile, path: bytes, files: FileOpener) -> bytes | Errand:
        """Return the strong entity-tag of ``file``, open from ``path`` by ``files``, or what must be done first."""

    def hides(self, path: bytes) -> bool:
        """Tell whether what lies at ``path`` is the source's own, and so isn't there for clients."""


class Validators(NamedTuple):
    """The entity-tag of a representation, None where it isn't known, and its date, None where no date means anything.

    ``modified_s`` is in seconds since the epoch, ``last_modified`` the same as an HTTP date. ``errand`` is what would
    make the entity-tag known. A named tuple, which is made faster than a dataclass: every reply that is worked out has
    one.
    """

    etag: bytes | None
    modified_s: int | None = None
    last_modified: bytes = b""
    errand: Errand | None = None

    def etag_fields(self) -> Fields:
        """Return what a 304 repeats of them."""
        return () if self.etag is None else ((b"ETag", self.etag),)

    def fields(self) -> Fields:
        """Return what a 200 or 206 says."""
        if self.etag is not None and self.last_modified:
            return ((b"ETag", self.etag), (b"Last-Modified", self.last_modified))
        return self.etag_fields()


def find_validators(chosen: Representation, source: EtagSource | None, files: FileOpener, now_s: int) -> Validators:
    """Return what is known of ``chosen``; without a ``source`` its file says all of it."""
    if source is not None:
        found = source.find(chosen.file, chosen.file_path, files)
        return Validators(chosen.tagged(found)) if isinstance(found, bytes) else Validators(None, errand=found)
    modified_s = last_modified_s(chosen.file.mtime_ns, now_s)
    last_modified = chosen.file.last_modified if modified_s < now_s else format_http_date(modified_s)
    return Validators(chosen.tagged(chosen.file.etag), modified_s, last_modified)
