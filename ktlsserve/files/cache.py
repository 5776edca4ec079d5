"""Open files kept open, so that a file asked for again costs no system call.

Theory of operation
-------------------
An entry is used without a look at the file system while nothing can have changed, and for ``max_age_s`` at most. That
nothing has changed is what the kernel's notices tell (``ktlsserve.kernel.inotify``): the file and every folder on the
way to it are watched, from before it is opened. Any notice at all makes all entries doubtful (``epoch`` is raised): a
doubtful one is opened again, and compared. Where a file can't be watched its entry is doubtful at once, so each use of
it is checked. ``max_age_s`` is for what gives no notice: writes through a memory mapping, network file systems, and the
folders in the middle of a chain of symbolic links.

An entry that was found unchanged keeps its old descriptor: what was worked out from it (a finished reply) stays right.
That a file doesn't exist is remembered in the same way, in a book of its own, so that a client which asks for random
names can't push the files out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ktlsserve.errors import RequestError
from ktlsserve.files.open_file import OpenFile
from ktlsserve.files.root import Root
from ktlsserve.kernel.inotify import ChangeNotices

# What a client may hear again without another look; running out of descriptors is none of it.
_REMEMBERED_STATUSES = frozenset({403, 404})
# Room for the folders on the way, and for some that aren't kept open any more.
WATCHES_PER_FILE = 4


@dataclass(slots=True)
class _Entry:
    """An open file, or the status that opening it gave; good until a moment within one epoch."""

    file: OpenFile | None
    error: RequestError | None
    epoch: int
    valid_until_s: float


_Book = dict[tuple[Root, bytes], _Entry]


class RootFiles:
    """Opens the files of one of several roots through a cache that they share."""

    __slots__ = ("_cache", "_root")

    def __init__(self, cache: FileCache, root: Root) -> None:
        self._cache = cache
        self._root = root

    def open(self, path: bytes) -> OpenFile:
        """Return an open file with one more reference, or raise RequestError, as ``Root.open`` does."""
        return self._cache.open_beneath(self._root, path)


class FileCache:
    """Opens files as ``root`` does, from memory where it can; and as other roots, which share its places.

    ``now_s`` is the monotonic time, set by the owner before it asks. ``horizon_s`` is the moment up to which everything
    opened since it was last set to infinity may be relied on; ``epoch`` counts the times at which everything became
    doubtful. ``opened`` counts how often it was asked, ``looks`` how often it had to look at the file system for that.
    Not thread-safe.
    """

    __slots__ = (
        "_entries",
        "_failures",
        "_max_age_s",
        "_most",
        "_notices",
        "_root",
        "epoch",
        "horizon_s",
        "looks",
        "now_s",
        "opened",
    )  # fmt: skip

    def __init__(self, root: Root, notices: ChangeNotices | None, *, most_entries: int, max_age_s: float) -> None:
        self._root = root
        self._notices = notices
        self._most = most_entries
        self._max_age_s = max_age_s
        self._entries: _Book = {}
        self._failures: _Book = {}
        self.now_s = 0.0
        self.epoch = 0
        self.horizon_s = 0.0
        self.opened = 0
        self.looks = 0

    def open(self, path: bytes) -> OpenFile:
        """Return an open file with one more reference, or raise RequestError, as ``Root.open`` does."""
        return self.open_beneath(self._root, path)

    def open_beneath(self, root: Root, path: bytes) -> OpenFile:
        """Do as ``open`` with another root."""
        key = (root, path)
        self.opened += 1
        entry = self._entries.get(key) or self._failures.get(key)
        if entry is None or entry.epoch != self.epoch or self.now_s >= entry.valid_until_s:
            self.looks += 1
            entry = self._look(root, path)
        self.horizon_s = min(self.horizon_s, entry.valid_until_s)
        if entry.file is not None:
            return entry.file.retain()
        error = entry.error
        if error is None:
            raise RuntimeError("an entry holds a file or an error")
        # A new one: raising the same again and again would pile up tracebacks on it.
        raise RequestError(error.status, error.reason)

    def beneath(self, root: Root) -> RootFiles:
        """Return an opener for another root."""
        return RootFiles(self, root)

    def take_notices(self) -> None:
        """Make everything doubtful if the kernel has noticed a change."""
        if self._notices is not None and self._notices.take():
            self.epoch += 1

    def clear(self) -> None:
        """Give all files up."""
        for entry in self._entries.values():
            if entry.file is not None:
                entry.file.release()
        self._entries.clear()
        self._failures.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _look(self, root: Root, path: bytes) -> _Entry:
        """Open the file and enter what was found."""
        key = (root, path)
        old = self._entries.pop(key, None)
        self._failures.pop(key, None)
        # Watched first: a change between the two would otherwise be seen by neither.
        valid_until_s = self.now_s + self._max_age_s if self._watch(root, path) else self.now_s
        try:
            file = root.open(path)
        except RequestError as error:
            if old is not None and old.file is not None:
                old.file.release()
            if error.status not in _REMEMBERED_STATUSES:
                raise
            # One that was never raised: with its traceback this one would keep the frames of the request for which it
            # was, and with them its connection and all that had been received on it.
            kept = RequestError(error.status, error.reason)
            return self._enter(self._failures, key, _Entry(None, kept, self.epoch, valid_until_s))
        if old is not None and old.file is not None:
            if _same_version(old.file, file):
                file.release()
                file = old.file
            else:
                old.file.release()
        return self._enter(self._entries, key, _Entry(file, None, self.epoch, valid_until_s))

    def _enter(self, book: _Book, key: tuple[Root, bytes], entry: _Entry) -> _Entry:
        while len(book) >= self._most:
            # The one that was looked at longest ago: dictionaries keep the order of insertion.
            oldest = book.pop(next(iter(book)))
            if oldest.file is not None:
                oldest.file.release()
        book[key] = entry
        return entry

    def _watch(self, root: Root, path: bytes) -> bool:
        """Have changes on the way to ``path`` noticed; return whether all of them will be."""
        notices = self._notices
        if notices is None:
            return False
        if len(notices) > WATCHES_PER_FILE * self._most:
            # Those of files that were dropped long ago are among them.
            notices.unwatch_all()
            self.epoch += 1
        watched = [notices.watch(step) for step in _steps(root, path)]
        return all(watched)


def _steps(root: Root, path: bytes) -> Iterator[bytes]:
    """Yield the root, each folder on the way, and the path itself, as paths that this process can use."""
    step = root.descriptor_path()
    yield step
    for component in path.split(b"/"):
        if component:
            step += b"/" + component
            yield step


def _same_version(old: OpenFile, new: OpenFile) -> bool:
    return old.version == new.version and old.is_directory == new.is_directory
