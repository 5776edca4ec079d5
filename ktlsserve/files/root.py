"""Opens files beneath one folder and nowhere else.

Theory of operation
-------------------
The folder is opened once, as an O_PATH descriptor, and every path is resolved from that descriptor. No check of a
path's text decides whether it stays inside: the kernel does, while it resolves, so that nobody who renames folders or
swaps in symbolic links at the same time can come between a check and the open.

- Where ``openat2`` exists, RESOLVE_BENEATH lets symbolic links be followed as long as no step of the way leaves the
  folder, and RESOLVE_NO_MAGICLINKS refuses those of /proc (the former does so too today, but openat2(2) promises it
  for the latter only). Absolute links lead out by definition, even to files inside. Mount points beneath the folder
  are crossed: volumes are mounted there on purpose.
- Elsewhere (Linux before 5.6, gVisor, old seccomp filters) the path is walked: each folder is opened from the one
  before it with O_NOFOLLOW. Nothing then tells a harmless symbolic link from one that leads out, so **all are
  refused**, with 404.

The folder replaced: with a deployment by a switched link (``current -> releases/42``) or a renamed folder, a Root goes
on serving the folder that it opened. A new one is made for each generation of workers, by the process that forks
them: a reload (SIGHUP) picks up the new folder, whole, and replies under way finish from the old one.

What is opened is checked by ``fstat`` on the descriptor: regular files and folders are served. Opening with O_NONBLOCK
never waits for the other end of a FIFO, and nothing is read from one.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from types import TracebackType
from typing import Self

from ktlsserve.errors import RequestError, RootError
from ktlsserve.files.open_file import OpenFile
from ktlsserve.kernel.openat2 import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, OpenHow, openat2, supported

# O_NONBLOCK: FIFOs and devices must not hold up the event loop. O_NOCTTY: no terminal may become ours.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_WALK_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# EAGAIN means that a rename somewhere in the system crossed a link's "..", or that a lease (fcntl(2)) on the file is
# being broken. Each of the former takes its own bad luck; this many in a row is somebody at work.
_MAX_ATTEMPTS = 32

# The walk has this limit of the kernel too (PATH_MAX, with its NUL), so that both ways open the same files.
_MAX_PATH_BYTES = 4095

# NUL, empty components, "." and "..": each file has one path, by which a cache can find it. One "/" may end a folder's.
_MALFORMED = re.compile(rb"\0|(?:\A|/)(?:/|\.\.?(?:/|\Z))")

# The errno of a failed open, and the status of the answer. Everything else is 500.
_STATUS_OF_ERRNO = {
    errno.ENOENT: 404,
    errno.ENOTDIR: 404,
    errno.ENAMETOOLONG: 404,
    errno.ELOOP: 404,
    # The way leaves the root. What lies outside doesn't exist for clients: 403 would tell them of the link.
    errno.EXDEV: 404,
    # Names that this file system can't hold (vfat, casefolding ext4, ZFS with utf8only).
    errno.EINVAL: 404,
    errno.EILSEQ: 404,
    errno.ESTALE: 404,
    errno.EACCES: 403,
    errno.EPERM: 403,
    # Sockets, and devices without a driver.
    errno.ENXIO: 403,
    errno.ENODEV: 403,
    errno.EAGAIN: 503,
    errno.EMFILE: 503,
    errno.ENFILE: 503,
    errno.ENOMEM: 503,
}


class Root:
    """A folder whose files can be opened, and no others.

    ``path`` names the folder, which is opened now: raises RootError if it is missing, isn't a folder or can't be
    searched. ``use_openat2`` is for tests; None takes ``openat2`` where this process may call it, and the attribute of
    that name says which way was taken.
    """

    __slots__ = ("_fd", "_how", "path", "use_openat2")

    def __init__(self, path: str | bytes | os.PathLike[str], *, use_openat2: bool | None = None) -> None:
        self.path = os.fsdecode(path)
        self.use_openat2 = supported() if use_openat2 is None else use_openat2
        self._how = OpenHow(flags=_OPEN_FLAGS, resolve=RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)
        self._fd = _open_root(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the folder; files opened from it stay open. Closing again does nothing."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def fileno(self) -> int:
        """Return the folder's descriptor, opened with O_PATH: for rules about it, not for reading."""
        return self._fd

    def require_access(self) -> None:
        """Raise RootError if this process may not search the folder: its user may be another than the opener's."""
        _require_search(self._fd, self.path)

    def descriptor_path(self) -> bytes:
        """Return a path that leads to the folder as it was opened, wherever it has been moved to (proc(5))."""
        return b"/proc/self/fd/%d" % self._fd

    def open(self, path: bytes) -> OpenFile:
        """Open the regular file or folder at ``path``; the caller owns the one reference that it has.

        ``path`` is relative to the root, decoded, in any encoding; empty for the root itself. A "/" at its end asks
        for a folder. Raises RequestError: 404 for what doesn't exist or can't be reached without leaving the root, and
        for a path that isn't in its plain form (the HTTP layer refuses those first; this door doesn't rely on it);
        403 for what may not be read or is neither file nor folder; 503 when descriptors or memory run out; 500 for
        all other failures. Raises ValueError once the root is closed.
        """
        if self._fd < 0:
            raise ValueError("the root is closed")
        if _MALFORMED.search(path):
            raise RequestError(404, "the path isn't in its plain form")
        try:
            fd = self._open_beneath(path) if self.use_openat2 else _walk(self._fd, path)
        except OSError as error:
            status = _STATUS_OF_ERRNO.get(error.errno or 0, 500)
            raise RequestError(status, error.strerror or "can't be opened") from None
        try:
            return _open_file(fd)
        except BaseException:
            os.close(fd)
            raise

    def _open_beneath(self, path: bytes) -> int:
        for _ in range(_MAX_ATTEMPTS - 1):
            try:
                return openat2(self._fd, path or b".", self._how)
            except BlockingIOError:
                continue
        return openat2(self._fd, path or b".", self._how)


def _open_file(fd: int) -> OpenFile:
    result = os.fstat(fd)
    if stat.S_IFMT(result.st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        raise RequestError(403, "neither a regular file nor a folder")
    return OpenFile(fd, result)


def _open_root(path: str) -> int:
    try:
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RootError(f"can't serve {path!r}: {_explain(error)}") from None
    except ValueError:
        raise RootError(f"can't serve {path!r}: a path holds no NUL") from None
    try:
        _require_search(fd, path)
    except RootError:
        os.close(fd)
        raise
    return fd


def _require_search(fd: int, path: str) -> None:
    """Raise RootError unless names can be looked up in the folder, for which opening it with O_PATH didn't ask."""
    try:
        os.stat(".", dir_fd=fd)
    except OSError as error:
        raise RootError(f"can't serve {path!r}: {_explain(error)}") from None


def _explain(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such folder"
    if isinstance(error, NotADirectoryError):
        return "it is not a folder"
    if isinstance(error, PermissionError):
        return f"user {os.geteuid()} may not search it; give read and search permission (chmod a+rx) to the way there"
    return error.strerror or str(error)


def _walk(root_fd: int, path: bytes) -> int:
    """Open ``path`` from ``root_fd`` one component at a time, following no symbolic link anywhere."""
    if len(path) > _MAX_PATH_BYTES:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    *folders, name = path.split(b"/")
    folder_fd = root_fd
    try:
        for folder in folders:
            inner_fd = os.open(folder, _WALK_FLAGS, dir_fd=folder_fd)
            if folder_fd != root_fd:
                os.close(folder_fd)
            folder_fd = inner_fd
        return os.open(name or b".", _OPEN_FLAGS | os.O_NOFOLLOW, dir_fd=folder_fd)
    finally:
        if folder_fd != root_fd:
            os.close(folder_fd)
