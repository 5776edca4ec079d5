"""Entity-tags that were made beforehand, from the small files beside the files.

A sidecar that is missing or doesn't belong to the file (``ktlsserve.files.etag_sidecar`` says when) isn't missed: the
file's content is hashed, which comes to the same tag, only later.

It is opened by the same door and the same cache as its file, so that it can't lie outside of the root, and what was
worked out from it is doubted when it changes; its few bytes are read once for each version of the two.

For clients there are no sidecars (404), not even for those who ask by name. They tell the size and the hash of a file
which a rule may deny or keep for some: rules for ``*.pdf`` don't cover ``*.pdf.etag``. Who may have the file learns
both from its own reply.
"""

from __future__ import annotations

import logging
import os

from ktlsserve.errors import RequestError
from ktlsserve.files.content_etags import KEPT_VERSIONS, ContentEtags, version_of
from ktlsserve.files.etag_sidecar import LONGEST_BYTES, SUFFIX, unpack_sidecar
from ktlsserve.files.open_file import FileVersion
from ktlsserve.http1.reply import Errand, ServedFile
from ktlsserve.http1.representation import FileOpener

logger = logging.getLogger(__name__)


class SidecarEtags:
    """Finds entity-tags in sidecars, or by ``content``; an :class:`ktlsserve.http1.validators.EtagSource`.

    What was read is kept for at most ``most`` versions of files, and emptied when full: it is read again in a moment.
    """

    __slots__ = ("_content", "_most", "_read")

    def __init__(self, content: ContentEtags, most: int = KEPT_VERSIONS) -> None:
        self._content = content
        self._most = most
        self._read: dict[tuple[FileVersion, FileVersion], bytes | None] = {}

    def find(self, file: ServedFile, path: bytes, files: FileOpener) -> bytes | Errand:
        """Return the entity-tag of ``file``, which is open from ``path`` by ``files``; or the errand of reading it."""
        try:
            sidecar = files.open(path + SUFFIX)
        except RequestError:
            # Whatever is wrong with it, the file itself is there to be hashed.
            return self._content.find(file, path, files)
        try:
            etag = self._known(file, sidecar, path)
        finally:
            sidecar.release()
        return etag or self._content.find(file, path, files)

    def hides(self, path: bytes) -> bool:
        """Tell whether ``path`` is that of a sidecar."""
        return path.endswith(SUFFIX)

    def _known(self, file: ServedFile, sidecar: ServedFile, path: bytes) -> bytes | None:
        """Return what the sidecar says of this version of the file, None where it says nothing."""
        key = version_of(file), version_of(sidecar)
        if key not in self._read:
            etag = _read(file, sidecar)
            if etag is None:
                logger.info("%r is not of this version of its file", os.fsdecode(path + SUFFIX))
            if len(self._read) >= self._most:
                self._read.clear()
            self._read[key] = etag
        return self._read[key]


def _read(file: ServedFile, sidecar: ServedFile) -> bytes | None:
    if sidecar.is_directory or sidecar.size > LONGEST_BYTES or sidecar.mtime_ns != file.mtime_ns:
        return None
    try:
        data = os.pread(sidecar.fd, LONGEST_BYTES + 1, 0)
    except OSError as error:
        logger.warning("a sidecar can't be read: %s", error.strerror)
        return None
    return unpack_sidecar(data, file.size)
