"""Change notices of the kernel for files and folders (inotify(7)), as far as a cache needs them: that, not what.

The notice of a write, a rename or a removal is queued before the system call that made the change returns. Changes
through a memory mapping, and those made on another machine of a network file system, give none.
"""

from __future__ import annotations

import ctypes
import errno
import os

IN_MODIFY = 0x00000002
IN_ATTRIB = 0x00000004
IN_MOVED_FROM = 0x00000040
IN_MOVED_TO = 0x00000080
IN_CREATE = 0x00000100
IN_DELETE = 0x00000200
IN_DELETE_SELF = 0x00000400
IN_MOVE_SELF = 0x00000800
IN_NONBLOCK = os.O_NONBLOCK
IN_CLOEXEC = os.O_CLOEXEC

_CHANGES = (
    IN_MODIFY
    | IN_ATTRIB
    | IN_MOVED_FROM
    | IN_MOVED_TO
    | IN_CREATE
    | IN_DELETE
    | IN_DELETE_SELF
    | IN_MOVE_SELF
)  # fmt: skip
_READ_BYTES = 65536

_libc = ctypes.CDLL(None, use_errno=True)
_libc.inotify_add_watch.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)


class ChangeNotices:
    """An inotify instance; ``fileno`` is readable while there are notices.

    Raises OSError where the kernel has none left to give (fs.inotify.max_user_instances).
    """

    __slots__ = ("_fd", "_watched", "_watches")

    def __init__(self) -> None:
        self._fd: int = _libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        if self._fd < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        self._watched: set[bytes] = set()
        self._watches: set[int] = set()

    def __len__(self) -> int:
        """Return how many files and folders are watched, at most: those that were removed are still counted."""
        return len(self._watches)

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._fd

    def watch(self, path: bytes) -> bool:
        """Have changes of what ``path`` names noticed, and of what a folder holds; return whether that works.

        A path that is watched already costs nothing. What it names now is watched, not what it will name later: the
        folder that holds it must be watched too.
        """
        if path in self._watched:
            return True
        watch: int = _libc.inotify_add_watch(self._fd, path, _CHANGES)
        if watch < 0:
            return ctypes.get_errno() == errno.ENOENT
        self._watches.add(watch)
        self._watched.add(path)
        return True

    def unwatch_all(self) -> None:
        """Watch nothing any more: each watch holds about a kilobyte of the kernel's memory."""
        for watch in self._watches:
            # Fails where the file is gone, and its watch with it.
            _libc.inotify_rm_watch(self._fd, watch)
        self._watches.clear()
        self._watched.clear()

    def take(self) -> bool:
        """Take all notices; return whether there were any.

        Afterwards nothing counts as watched by its path any more: a name may mean another file now, and ``watch`` has
        to be called again. (Watching the same file again gives no second watch: the kernel knows it by its inode.)
        """
        found = False
        try:
            while os.read(self._fd, _READ_BYTES):
                found = True
        except BlockingIOError:
            pass
        if found:
            self._watched.clear()
        return found

    def close(self) -> None:
        """End all watches."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)
