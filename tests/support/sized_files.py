"""Files of given sizes whose content repeats nowhere, so that a record lost, doubled or swapped shows."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from pathlib import Path

_POOL_BYTES = 16 << 20
# Files of nearly the same size begin at different places of the pool.
_OFFSETS = 4093


def make_sized_files(folder: Path, sizes: Iterable[int]) -> dict[str, str]:
    """Write ``SIZE.bin`` for each size up to 16 MiB; return the SHA-256 of each by its path in a URL."""
    folder.mkdir(parents=True, exist_ok=True)
    pool = random.Random(0).randbytes(_POOL_BYTES + _OFFSETS)
    hashes = {}
    for size in sizes:
        offset = size % _OFFSETS
        content = pool[offset : offset + size]
        assert len(content) == size
        (folder / f"{size}.bin").write_bytes(content)
        hashes[f"/{size}.bin"] = hashlib.sha256(content).hexdigest()
    return hashes
