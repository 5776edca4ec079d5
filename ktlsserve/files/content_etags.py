"""Entity-tags made of what files hold, for sites whose times of modification mean nothing.

Theory of operation
-------------------
The usual entity-tag is made of a file's time and size. Where a deployment strips the times (reproducible images), or
several machines behind one load balancer have the same files with different times, it says "unchanged" of what has
changed, or the other way round. A hash of the content is right everywhere, and costs reading the content.

It is worked out once for each *version* of a file (``FileVersion``: device, inode, size, and both times, of which the
time of change can't be set), by a thread, and kept. The loop only looks it up.

A hash belongs to a version if the file had that version after all of it was read, and couldn't have been written to
without getting another one. A file system's clock ticks: what is written twice within a tick keeps its time of change.
So reading begins only when the tick of the last change is over; what is written from then on is told by the time,
which the kernel sets before it takes the first byte. Stores through a memory mapping are the exception: they show when
the kernel writes them back.

A file that is replaced (a new one renamed over it) is another inode. A reply holds the old one open, and is never
given the tag of the new one: it is found by the version of the file that is open, not by its name.
"""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from ktlsserve.errors import RequestError
from ktlsserve.files.open_file import FileVersion, OpenFile
from ktlsserve.files.root import Root
from ktlsserve.http1.reply import ServedFile
from ktlsserve.http1.representation import FileOpener

logger = logging.getLogger(__name__)

KEPT_VERSIONS = 16_384
"""Versions whose entity-tag is kept: some 6 MiB in a worker."""

DIGEST_BYTES = 16
"""Two contents of one file don't agree in 128 bits by chance. BLAKE2b, as in ``b2sum -l 128``: on CPUs without
instructions for SHA-256 it is twice as fast as that, and it makes no difference on the others."""

_CHUNK_BYTES = 256 << 10
_NS_PER_S = 1_000_000_000
# Longer than a tick of any kernel's clock (10 ms at most), and than exFAT's (10 ms).
_TICK_NS = 20_000_000
# FAT has even seconds only, ext3 and HFS+ whole ones.
_COARSE_TICK_NS = 2 * _NS_PER_S


def content_etag(digest: str, size: int) -> bytes:
    """Return the strong entity-tag of ``size`` bytes with this hash, in hexadecimal digits."""
    return b'"%b-%x"' % (digest.encode("ascii"), size)


def unsettled_ns(ctime_ns: int) -> int:
    """Return how long a file that was last changed at ``ctime_ns`` may still be changed without getting another time.

    Only coarse clocks show whole seconds; a fine one does once in millions of files, which then count as such. It goes
    by this machine's clock: the kernel's, and so that of every file system but those of other machines.
    """
    tick_ns = _TICK_NS if ctime_ns % _NS_PER_S else _COARSE_TICK_NS
    return max(0, ctime_ns + tick_ns - time.time_ns())


class EtagStore:
    """The entity-tags of versions of files; those that nobody has asked for the longest are forgotten."""

    __slots__ = ("_etags", "_most")

    def __init__(self, most: int = KEPT_VERSIONS) -> None:
        self._most = most
        self._etags: OrderedDict[FileVersion, bytes] = OrderedDict()

    def __len__(self) -> int:
        return len(self._etags)

    def find(self, version: FileVersion) -> bytes | None:
        """Return the entity-tag of ``version``, if it is known."""
        etag = self._etags.get(version)
        if etag is not None:
            self._etags.move_to_end(version)
        return etag

    def keep(self, version: FileVersion, etag: bytes) -> None:
        """Remember an entity-tag."""
        self._etags[version] = etag
        self._etags.move_to_end(version)
        while len(self._etags) > self._most:
            self._etags.popitem(last=False)


@dataclass(frozen=True, slots=True)
class HashErrand:
    """To read the file at ``path`` beneath ``root``, if it still has ``version``, and have ``store`` keep its tag.

    It opens the file itself, by the same door as all files: so it has nothing to give back if it is never run.
    """

    version: FileVersion
    root: Root = field(compare=False)
    path: bytes = field(compare=False)
    store: EtagStore = field(compare=False)

    @property
    def size(self) -> int:
        """How many bytes there are to read."""
        return self.version.size

    def run(self, stopping: Callable[[], bool]) -> bytes | None:
        """Return the entity-tag; None where the file has another version by now, changes meanwhile or can't be read."""
        try:
            file = self.root.open(self.path)
        except RequestError as error:
            logger.debug("%r has no entity-tag: %s", os.fsdecode(self.path), error.reason)
            return None
        try:
            return self._hash(file, stopping)
        except OSError as error:
            logger.warning("%r can't be read for its entity-tag: %s", os.fsdecode(self.path), error.strerror)
            return None
        finally:
            file.release()

    def settle(self, found: bytes) -> None:
        """Have the store keep the entity-tag."""
        self.store.keep(self.version, found)

    def _hash(self, file: OpenFile, stopping: Callable[[], bool]) -> bytes | None:
        wait_ns = unsettled_ns(self.version.ctime_ns)
        if file.version != self.version or wait_ns > _TICK_NS:
            return None
        time.sleep(wait_ns / _NS_PER_S)
        digest = blake2b(digest_size=DIGEST_BYTES)
        chunk = memoryview(bytearray(min(_CHUNK_BYTES, self.size)))
        offset = 0
        while offset < self.size and not stopping():
            read_bytes = os.preadv(file.fd, [chunk], offset)
            if not read_bytes:
                return None
            digest.update(chunk[:read_bytes])
            offset += read_bytes
        if offset < self.size or FileVersion.of(os.fstat(file.fd)) != self.version:
            return None
        return content_etag(digest.hexdigest(), self.size)


class ContentEtags:
    """Finds the entity-tags of the files beneath ``root``; an :class:`ktlsserve.http1.validators.EtagSource`.

    For the thread of the event loop. Several sites may share a ``store``.
    """

    __slots__ = ("_root", "_store")

    def __init__(self, root: Root, store: EtagStore) -> None:
        self._root = root
        self._store = store

    def find(self, file: ServedFile, path: bytes, _files: FileOpener) -> bytes | HashErrand:
        """Return the entity-tag of ``file``, which is open from ``path``; or the errand of reading it."""
        version = version_of(file)
        return self._store.find(version) or HashErrand(version, self._root, path, self._store)

    def hides(self, _path: bytes) -> bool:
        """Hide nothing: there are no files of its own."""
        return False


def version_of(file: ServedFile) -> FileVersion:
    """Return the version of a file that was opened beneath a root."""
    if not isinstance(file, OpenFile):
        raise TypeError("only files on a disk have versions")
    return file.version
