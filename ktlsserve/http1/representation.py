"""From a target to the open file that represents it: the file itself, an index, a compressed sibling.

Whoever gets a :class:`Representation` owns one use of its file; what was opened on the way and isn't returned has been
released.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ktlsserve.errors import RequestError
from ktlsserve.http1.negotiation import SUFFIXES
from ktlsserve.http1.reply import ServedFile
from ktlsserve.http1.target import Target

_NS_PER_S = 1_000_000_000

Tell = Callable[[bytes], None]
"""Hears of a path beneath the root."""


class FileOpener(Protocol):
    """Opens what a path beneath the root names; :class:`ktlsserve.files.root.Root` is one."""

    def open(self, path: bytes) -> ServedFile:
        """Return an open regular file or directory, used once; raise RequestError (403, 404, 500 or 503)."""


@dataclass(frozen=True, slots=True)
class Representation:
    """An open file to send; ``path`` names the file without its coding, ``coding`` is what it is compressed with."""

    file: ServedFile
    path: bytes
    coding: bytes | None = None

    @property
    def file_path(self) -> bytes:
        """The path of the file itself, beneath the root."""
        return self.path if self.coding is None else self.path + SUFFIXES[self.coding]

    def tagged(self, etag: bytes) -> bytes:
        """Return the representation's entity-tag, made of its file's, both strong.

        It differs from those of the same content in other codings (RFC 9110 section 8.8.3.3). The file's own would do,
        were it not that a sibling may have the same time and, by chance, the same size.
        """
        return etag if self.coding is None else b'%b-%b"' % (etag[:-1], self.coding)


def open_target(files: FileOpener, target: Target, index_names: Sequence[bytes]) -> Representation | None:
    """Open what ``target`` means; None where it names a folder without a slash at its end.

    Raises RequestError as the opener does, and 404 for a folder in which no index is a file: it looks the same as a
    folder that doesn't exist.
    """
    if not target.directory:
        file = files.open(target.path)
        if not file.is_directory:
            return Representation(file, target.path)
        file.release()
        return None
    for name in index_names:
        path = b"%b/%b" % (target.path, name) if target.path else name
        index = _open_if_there(files, path, missing=(404,))
        if index is not None:
            return Representation(index, path)
    raise RequestError(404, "no index")


def open_file(files: FileOpener, path: bytes) -> ServedFile:
    """Open the regular file at ``path``; raise RequestError as the opener does, and 404 for a folder."""
    file = files.open(path)
    if file.is_directory:
        file.release()
        raise RequestError(404, "a folder in the place of a file")
    return file


def open_sibling(
    files: FileOpener, plain: Representation, codings: Sequence[bytes], tell_stale: Tell = lambda _: None
) -> Representation:
    """Return the first sibling of ``plain`` in one of ``codings`` that exists, in exchange; otherwise ``plain``.

    A sibling that may not be read is as good as none, for the plain file is there. So is one that is older than the
    file: it was made from what the file was before. ``tell_stale`` hears of it. Raises RequestError, having released
    ``plain``, where the opener fails otherwise.
    """
    for coding in codings:
        path = plain.path + SUFFIXES[coding]
        try:
            file = _open_if_there(files, path, missing=(403, 404))
        except RequestError:
            plain.file.release()
            raise
        if file is not None and _is_stale(file, plain.file):
            file.release()
            tell_stale(path)
        elif file is not None:
            plain.file.release()
            return Representation(file, plain.path, coding)
    return plain


def _is_stale(sibling: ServedFile, plain: ServedFile) -> bool:
    """Tell whether ``sibling`` is older than what it should hold; a time of whole seconds may stand for any in them.

    Programs that give the sibling the time of its file don't all give it the fraction of the second.
    """
    if sibling.mtime_ns % _NS_PER_S == 0:
        return sibling.mtime_ns // _NS_PER_S < plain.mtime_ns // _NS_PER_S
    return sibling.mtime_ns < plain.mtime_ns


def _open_if_there(files: FileOpener, path: bytes, missing: Sequence[int]) -> ServedFile | None:
    """Open a regular file; None for a folder and where the opener says one of the ``missing`` statuses."""
    try:
        file = files.open(path)
    except RequestError as error:
        if error.status not in missing:
            raise
        return None
    if not file.is_directory:
        return file
    file.release()
    return None
