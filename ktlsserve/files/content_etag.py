"""Entity-tags from what files hold, for sites whose times of modification mean nothing.

Theory of operation
-------------------
The usual entity-tag is made of a file's time and size. Where a deployment strips the times (reproducible images), or
several machines behind one load balancer have the same files with different times, it says "unchanged" of what has
changed, or the other way round. A hash of the content is right everywhere, and costs reading the content.

It is worked out once for each *version* of a file: device, inode, size, time of modification and time of change
(``ctime``, which can't be set back). The event loop never waits for more than ``inline_bytes`` of reading: what is
longer is read by a thread of its own (hashing gives up the GIL), unless a sidecar has the hash ready.

Until the hash is known there is **no** entity-tag rather than another one: a tag that changes while the content
doesn't would break off resumed downloads and make caches fetch everything twice. A reply without is merely one that
can't be revalidated.

A version only counts once it has *settled*: a file may change again within one tick of its file system's clock and keep
its times, so what was changed less than two seconds ago (the coarsest clock, of FAT) isn't looked at. After reading,
the version is compared again. Writes through a memory mapping are not noticed before the kernel stores them.

A sidecar counts if it is no older than the file and names its size. Where all times are stripped the size is all that
is left of this check: whoever changes a file there has to write its sidecar anew.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict, deque
from hashlib import sha256
from typing import NamedTuple

from ktlsserve.errors import RequestError
from ktlsserve.files.etag_sidecar import LONGEST_BYTES, SUFFIX, content_etag, unpack_sidecar
from ktlsserve.http1.representation import FileOpener

logger = logging.getLogger(__name__)

INLINE_BYTES = 64 << 10
"""Read and hashed at once: 50 µs from the page cache, less than what answering a request costs without the memo."""

KEPT_FILES = 16_384
"""Versions whose hash is kept: some 6 MiB."""

_WAITING_FILES = 64
_SETTLED_NS = 2_000_000_000
_CHUNK_BYTES = 256 << 10
_NS_PER_S = 1_000_000_000


class FileVersion(NamedTuple):
    """What tells one content of a file from another without looking at it."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, fd: int) -> FileVersion:
        """Ask the kernel for the version of an open file."""
        status = os.fstat(fd)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class ContentEtags:
    """Finds or works out the entity-tags of files.

    ``files`` opens sidecars, by the same door as all files. All methods are for one thread, which never waits here; the
    thread that hashes long files is started with the first of them, so that an instance may be made before a fork.
    """

    def __init__(self, files: FileOpener, *, inline_bytes: int = INLINE_BYTES, kept_files: int = KEPT_FILES) -> None:
        self._files = files
        self._inline_bytes = inline_bytes
        self._kept_files = kept_files
        # None while it is being worked out, and for what can't be read.
        self._etags: OrderedDict[FileVersion, bytes | None] = OrderedDict()
        self._waiting: deque[tuple[FileVersion, int, bytes]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread: threading.Thread | None = None

    def etag_of(self, fd: int, path: bytes, now_s: int) -> bytes | None:
        """Return the entity-tag of the file that is open as ``fd`` and lies at ``path``; None if it isn't known yet.

        ``path`` is relative to the root, as for the opener; ``now_s`` is in seconds since the epoch.
        """
        version = FileVersion.of(fd)
        with self._changed:
            if version in self._etags:
                self._etags.move_to_end(version)
                return self._etags[version]
        if now_s * _NS_PER_S - version.ctime_ns < _SETTLED_NS:
            return None
        if version.size > self._inline_bytes:
            etag = self._from_sidecar(path, version)
            if etag is None:
                self._hash_later(version, fd, path)
                return None
        else:
            etag = self._hash(version, fd, path)
        with self._changed:
            self._keep(version, etag)
        return etag

    def close(self) -> None:
        """Stop the thread, at the latest after its next chunk; nothing is hashed any more."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        while self._waiting:
            os.close(self._waiting.popleft()[1])

    def _from_sidecar(self, path: bytes, version: FileVersion) -> bytes | None:
        try:
            sidecar = self._files.open(path + SUFFIX)
        except RequestError:
            # Whatever is wrong with it, the file itself is there to be hashed.
            return None
        try:
            if sidecar.is_directory or sidecar.size > LONGEST_BYTES or sidecar.mtime_ns < version.mtime_ns:
                return None
            digest = unpack_sidecar(os.pread(sidecar.fd, LONGEST_BYTES, 0), version.size)
        except OSError as error:
            logger.warning("%r can't be read: %s", os.fsdecode(path + SUFFIX), error.strerror)
            return None
        finally:
            sidecar.release()
        return None if digest is None else content_etag(digest)

    def _hash_later(self, version: FileVersion, fd: int, path: bytes) -> None:
        """Put a file into the thread's queue, if there is room; whoever asks again puts it there again."""
        with self._changed:
            if self._closing or len(self._waiting) >= _WAITING_FILES:
                return
            try:
                # A descriptor of its own: the caller's may be closed long before its turn comes.
                own_fd = os.dup(fd)
            except OSError:
                # None left to spare for this; serving goes on without.
                return
            self._waiting.append((version, own_fd, path))
            self._keep(version, None)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="content-etags", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
                version, fd, path = self._waiting.popleft()
            try:
                etag = self._hash(version, fd, path)
            finally:
                os.close(fd)
            with self._changed:
                self._keep(version, etag)

    def _hash(self, version: FileVersion, fd: int, path: bytes) -> bytes | None:
        """Return the entity-tag of what is in the file; None if it can't be read or changes meanwhile.

        A version that has changed doesn't come back, so None is the last word on this one.
        """
        digest = sha256()
        chunk = memoryview(bytearray(min(_CHUNK_BYTES, version.size)))
        offset = 0
        try:
            while offset < version.size and not self._closing:
                read_bytes = os.preadv(fd, [chunk], offset)
                if not read_bytes:
                    return None
                digest.update(chunk[:read_bytes])
                offset += read_bytes
            if self._closing or FileVersion.of(fd) != version:
                return None
        except OSError as error:
            logger.warning("%r can't be read for its entity-tag: %s", os.fsdecode(path), error.strerror)
            return None
        return content_etag(digest.hexdigest().encode())

    def _keep(self, version: FileVersion, etag: bytes | None) -> None:
        """Remember a result; those that nobody has asked for the longest are forgotten."""
        self._etags[version] = etag
        self._etags.move_to_end(version)
        while len(self._etags) > self._kept_files:
            self._etags.popitem(last=False)
