"""One sidecar with the hash of one file, from which the server makes its entity-tag."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ktlsserve.compress.beside import write_beside
from ktlsserve.compress.task import Outcome, Result, open_regular, read_unchanged
from ktlsserve.files.etag_sidecar import LONGEST_BYTES, SUFFIX, pack_sidecar


@dataclass(frozen=True, slots=True)
class SidecarTask:
    """A sidecar that is missing or may be of other content; ``exists`` tells that there is one."""

    original: Path
    size_bytes: int
    exists: bool

    @property
    def path(self) -> Path:
        """The sidecar."""
        return self.original.with_name(self.original.name + SUFFIX.decode())

    @property
    def cost(self) -> int:
        """The size: all of it is read."""
        return self.size_bytes

    def run(self, stopping: Callable[[], bool], *, dry: bool) -> Result:
        """Hash the file, and write the sidecar unless it says so already; raises what ``Task.run`` says."""
        file, status = open_regular(self.original)
        with file:
            digest = sha256()
            for piece in read_unchanged(file, status, stopping):
                digest.update(piece)
        content = pack_sidecar(digest.hexdigest().encode(), status.st_size)
        if self.exists and self._says(content, status.st_mtime_ns):
            if not dry:
                # Its time of change is later than the original's now: next time, the times tell.
                os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns))
            return Result(Outcome.FRESH, self.path)
        if not dry:
            write_beside(self.path, status, (content,))
        return Result(Outcome.MADE, self.path)

    def _says(self, content: bytes, mtime_ns: int) -> bool:
        file, status = open_regular(self.path)
        with file:
            return status.st_mtime_ns == mtime_ns and file.read(LONGEST_BYTES + 1) == content
