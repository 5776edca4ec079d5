"""One sidecar with the entity-tag of one file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from ktlsserve.compress.beside import write_beside
from ktlsserve.compress.task import Outcome, Result, open_regular, read_unchanged
from ktlsserve.files.content_etags import DIGEST_BYTES, content_etag, unsettled_ns
from ktlsserve.files.etag_sidecar import LONGEST_BYTES, SUFFIX, is_sidecar

_NS_PER_S = 1_000_000_000
# A file from the future isn't waited for.
_LONGEST_WAIT_NS = 2 * _NS_PER_S


@dataclass(frozen=True, slots=True)
class SidecarTask:
    """The sidecar of a file that has ``size_bytes``; ``exists`` tells that there is something by its name."""

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
        """Hash the file, and write the sidecar unless it says so already; raises what ``Task.run`` says.

        One that is right but for its time only gets the time. What isn't a sidecar is somebody's file, and stays.
        """
        etag, original = _hash(self.original, stopping)
        held, status = self._held()
        if held is not None and not is_sidecar(held) and held:
            return Result(Outcome.FAILED, self.path, message="it isn't an entity-tag of ours; move it away")
        if held is None or held.rstrip(b"\n") != etag:
            if not dry:
                # What a crash may leave is no sidecar, and the server ignores it.
                write_beside(self.path, original, (etag,), durable=False)
            return Result(Outcome.MADE, self.path)
        if status is not None and status.st_mtime_ns == original.st_mtime_ns:
            return Result(Outcome.FRESH, self.path)
        if not dry:
            os.utime(self.path, ns=(original.st_atime_ns, original.st_mtime_ns))
        return Result(Outcome.MADE, self.path)

    def _held(self) -> tuple[bytes | None, os.stat_result | None]:
        """Return what is there already, as far as a sidecar is long."""
        if not self.exists:
            return None, None
        file, status = open_regular(self.path)
        with file:
            return file.read(LONGEST_BYTES + 1), status


def _hash(path: Path, stopping: Callable[[], bool]) -> tuple[bytes, os.stat_result]:
    """Return the entity-tag of a file and what it had for it; what is written in this moment is waited for."""
    file, status = open_regular(path)
    with file:
        time.sleep(min(unsettled_ns(status.st_ctime_ns), _LONGEST_WAIT_NS) / _NS_PER_S)
        digest = blake2b(digest_size=DIGEST_BYTES)
        for piece in read_unchanged(file, status, stopping):
            digest.update(piece)
    return content_etag(digest.hexdigest(), status.st_size), status
