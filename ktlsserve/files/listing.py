"""Reads what a folder holds, as far as a request could get at it.

What no request can name isn't listed: hidden names, and names with control characters. Nor is what is never served:
FIFOs, sockets, devices. For files and folders ``lstat`` tells the rest; whether they may be read is found out when
somebody asks for them. A symbolic link is opened by the same door as every file that is served, and listed as what
it leads to: one that leads out of the root, or nowhere, isn't listed, and nothing of what lies outside is told.
"""

from __future__ import annotations

import os
import re
import stat

from ktlsserve.errors import RequestError
from ktlsserve.http1.folder import Entry, Folder
from ktlsserve.http1.reply import ServedFile
from ktlsserve.http1.representation import FileOpener

# What ktlsserve.http1.target refuses in a segment; slashes can't be in a name.
_UNREACHABLE = re.compile(rb"\.|[^\x00-\x1f\x7f]*[\x00-\x1f\x7f]")


class FolderReader:
    """Reads folders that are open, at most ``most`` entries of each; ``links`` opens what symbolic links lead to.

    Entries that aren't listed count too, so ``most`` bounds the time and the memory that a folder takes however many
    entries it has. Which of more they are is up to the file system. Names that end in ``hidden_suffix`` aren't listed.
    """

    def __init__(self, links: FileOpener, most: int, hidden_suffix: bytes | None = None) -> None:
        self._links = links
        self._most = most
        self._hidden_suffix = hidden_suffix

    def read(self, file: ServedFile, path: bytes) -> Folder:
        """Return what the folder that is open as ``file`` and lies at ``path`` holds, in no order.

        Raises RequestError where links can't be opened for want of descriptors or memory (503).
        """
        entries: list[Entry] = []
        # scandir works on a copy of the descriptor, which shares its position, and rewinds it at the end.
        with os.scandir(file.fd) as items:
            for number, item in enumerate(items):
                if number == self._most:
                    return Folder(path, tuple(entries), complete=False)
                name = os.fsencode(item.name)
                if _UNREACHABLE.match(name) or (self._hidden_suffix and name.endswith(self._hidden_suffix)):
                    continue
                entry = self._linked(path, name) if item.is_symlink() else _entry(name, item)
                if entry is not None:
                    entries.append(entry)
        return Folder(path, tuple(entries))

    def _linked(self, folder: bytes, name: bytes) -> Entry | None:
        try:
            file = self._links.open(b"%b/%b" % (folder, name) if folder else name)
        except RequestError as error:
            if error.status not in (403, 404):
                raise
            return None
        entry = Entry(name, file.is_directory, file.size, file.mtime_ns)
        file.release()
        return entry


def _entry(name: bytes, item: os.DirEntry[str]) -> Entry | None:
    """Return a file or folder; None for what is never served, and for what has gone meanwhile."""
    try:
        status = item.stat(follow_symlinks=False)
    except OSError:
        return None
    is_folder = stat.S_ISDIR(status.st_mode)
    if not is_folder and not stat.S_ISREG(status.st_mode):
        return None
    return Entry(name, is_folder, status.st_size, status.st_mtime_ns)
