"""Entity-tags made of content, worked out a second time, and without waiting."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from ktlsserve.http1.reply import Errand, ServedFile
from ktlsserve.http1.representation import FileOpener
from ktlsserve.http1.validators import EtagSource
from tests.support.memory_site import MemoryFile


def tag_of(content: bytes) -> bytes:
    """Return the entity-tag of a file with this content, as docs/http.md describes it."""
    return f'"{blake2b(content, digest_size=16).hexdigest()}-{len(content):x}"'.encode()


class NoErrand:
    """An errand that nobody may do."""

    size = 0

    def run(self, _stopping: Callable[[], bool]) -> bytes | None:
        raise AssertionError("nobody was to do it")

    def settle(self, _found: bytes) -> None:
        raise AssertionError("nobody was to do it")


class MemoryEtags:
    """Knows the entity-tags of memory files."""

    def find(self, file: ServedFile, _path: bytes, _files: FileOpener) -> bytes:
        assert isinstance(file, MemoryFile)
        return tag_of(file.content)

    def hides(self, path: bytes) -> bool:
        return path.endswith(b".etag")


class PromptEtags:
    """Has every errand of another source done at once."""

    def __init__(self, source: EtagSource) -> None:
        self._source = source

    def find(self, file: ServedFile, path: bytes, files: FileOpener) -> bytes | Errand:
        found = self._source.find(file, path, files)
        if not isinstance(found, bytes):
            etag = found.run(lambda: False)
            if etag is None:
                return found
            found.settle(etag)
        return self._source.find(file, path, files)

    def hides(self, path: bytes) -> bool:
        return self._source.hides(path)
