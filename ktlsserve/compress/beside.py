"""Writing a file beside another one, so that whoever looks sees all of it or nothing."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

# A leading dot: the server doesn't serve it, and the survey doesn't look at it.
_PREFIX = ".ktlsserve-"
_SUFFIX = ".tmp"


def write_beside(path: Path, like: os.stat_result, pieces: Iterable[bytes], *, durable: bool = True) -> None:
    """Put ``pieces`` into the file ``path``, with the permissions and the time of the original that has ``like``.

    Written under another name, brought to the disk, then renamed: whatever happens on the way (an error in ``pieces``,
    an interrupt, a crash), ``path`` is what it was or what it is to be. The owner is the original's where this process
    may say so. Without ``durable`` the disk isn't waited for, and a crash may leave an empty file: for what would be
    known as such. Raises OSError, and whatever ``pieces`` raises.
    """
    fd, name = tempfile.mkstemp(_SUFFIX, _PREFIX, path.parent)
    temporary = Path(name)
    try:
        with open(fd, "wb") as file:  # noqa: PTH123  (it is open already)
            file.writelines(pieces)
            file.flush()
            # Only the superuser may give files away. A reader that can't read it gets the plain file.
            with contextlib.suppress(PermissionError):
                os.fchown(fd, like.st_uid, like.st_gid)
            os.fchmod(fd, stat.S_IMODE(like.st_mode) & 0o777)
            os.utime(fd, ns=(like.st_atime_ns, like.st_mtime_ns))
            if durable:
                # Renamed before its bytes are on the disk, a crash could leave an empty file that seems up to date.
                os.fsync(fd)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_up_to_date(made: os.stat_result, original: os.stat_result) -> bool:
    """Tell whether the times say that ``made`` was made of ``original`` as it is.

    The same time of modification, and the original not touched since: a time can be set, a time of change can't.
    """
    return made.st_mtime_ns == original.st_mtime_ns and made.st_ctime_ns >= original.st_ctime_ns
