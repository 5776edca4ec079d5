"""Tells the log of compressed files that aren't sent, because they are older than the files that they stand for."""

from __future__ import annotations

import logging
import os
from pathlib import Path

logger = logging.getLogger(__name__)

MOST_TOLD = 100
"""Paths that a worker tells of beneath one folder. After as many the operator knows, and whoever asks for one stale
file after the other writes no more lines."""


class StaleSiblings:
    """Tells of each stale sibling beneath the folder ``root`` once."""

    __slots__ = ("_root", "_told")

    def __init__(self, root: Path) -> None:
        self._root = root
        self._told: set[bytes] = set()

    def tell(self, path: bytes) -> None:
        """Tell of the sibling at ``path`` beneath the root, unless that was done."""
        if path in self._told or len(self._told) >= MOST_TOLD:
            return
        self._told.add(path)
        # In quotes and with escapes: a name may hold anything, also the end of a line.
        logger.warning(
            "not sent, because it is older than the file beside it: %r; ktlsserve compress makes it anew",
            str(self._root / os.fsdecode(path)),
        )
        if len(self._told) == MOST_TOLD:
            logger.warning("%d files beneath %r like this one; further ones aren't told", MOST_TOLD, str(self._root))
