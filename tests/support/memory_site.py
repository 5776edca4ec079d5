"""The site of :mod:`tests.support.site_tree` without a disk, for tests of the pure core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ktlsserve.errors import RequestError
from ktlsserve.http1.answer import Site
from ktlsserve.http1.dates import format_http_date
from ktlsserve.http1.reply import FileSlice
from tests.support.site_tree import BODY_BYTES, FILES, MTIME_S, mtime_ns_of


@dataclass(slots=True)
class MemoryFile:
    """An open file of a :class:`MemoryFiles`; ``content`` may be shorter than ``size`` where nobody reads it."""

    content: bytes
    size: int
    mtime_ns: int
    etag: bytes
    last_modified: bytes
    is_directory: bool = False
    fd: int = -1
    uses: int = 1

    def retain(self) -> None:
        assert self.uses > 0, "retained after the last release"
        self.uses += 1

    def release(self) -> None:
        assert self.uses > 0, "released once too often"
        self.uses -= 1


def memory_file(
    content: bytes = b"", *, size: int | None = None, mtime_ns: int = MTIME_S * 1_000_000_000
) -> MemoryFile:
    """Make a file with the tags that a real one of this size and time has."""
    size = len(content) if size is None else size
    etag = b'"%x-%x"' % (mtime_ns, size)
    return MemoryFile(content, size, mtime_ns, etag, format_http_date(mtime_ns // 1_000_000_000))


@dataclass(slots=True)
class MemoryFiles:
    """Opens files out of a dictionary, and remembers each so that a test can ask for leaks."""

    files: Mapping[bytes, bytes] = field(default_factory=lambda: FILES)
    refuse: Mapping[bytes, int] = field(default_factory=dict)
    opened: list[MemoryFile] = field(default_factory=list)

    def open(self, path: bytes) -> MemoryFile:
        if path in self.refuse:
            raise RequestError(self.refuse[path], "refused by the test")
        if path in self.files:
            file = memory_file(self.files[path], mtime_ns=mtime_ns_of(path))
        elif not path or any(name.startswith(path + b"/") for name in self.files):
            file = memory_file()
            file.is_directory = True
        else:
            raise RequestError(404, "not in the dictionary")
        self.opened.append(file)
        return file

    def uses(self) -> int:
        """Return how many uses of files nobody has given up."""
        return sum(file.uses for file in self.opened)


class SmallTypes:
    """The few media types that the tree needs."""

    TYPES: ClassVar[dict[bytes, bytes]] = {
        b"html": b"text/html; charset=utf-8",
        b"txt": b"text/plain; charset=utf-8",
        b"css": b"text/css; charset=utf-8",
        b"js": b"text/javascript; charset=utf-8",
    }

    def type_of(self, path: bytes) -> bytes:
        return self.TYPES.get(path.rpartition(b".")[2], b"application/octet-stream")


def memory_site(**changes: object) -> Site:
    """Return the tree as a site; ``changes`` are further fields of Site."""
    return Site(**{"files": MemoryFiles(), "types": SmallTypes(), "body_bytes": BODY_BYTES, **changes})  # type: ignore[arg-type]


def read_memory_slice(part: FileSlice) -> bytes:
    """Return the bytes of a slice of a :class:`MemoryFile`."""
    assert isinstance(part.file, MemoryFile)
    data = part.file.content[part.offset : part.offset + part.count]
    assert len(data) == part.count, "slice beyond the end of the file"
    return data
