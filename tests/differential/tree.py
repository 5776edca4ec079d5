"""The files that both servers have: the small site of the other tests, and what only matters side by side."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.site_tree import MTIME_S, make_site_tree

SPARSE_BYTES = (5 << 30) + 7
"""The length of ``sparse.bin``: its offsets don't fit into 32 bits."""

MARKS = (0, (4 << 30) - 2, (4 << 30) + 1, SPARSE_BYTES - 4)
"""Where ``sparse.bin`` holds four letters; all else of it is a hole."""


def make_tree(base: Path) -> Path:
    """Write the files into a folder in ``base``, and return it; beside it lies a file that links lead to."""
    (base / "outside").write_bytes(b"outside\n")
    folder = base / "root"
    folder.mkdir()
    make_site_tree(folder)
    with (folder / "sparse.bin").open("wb") as sparse:
        sparse.truncate(SPARSE_BYTES)
        for number, offset in enumerate(MARKS):
            os.pwrite(sparse.fileno(), b"%c" % (ord("a") + number) * 4, offset)
    (folder / "fresh.txt").write_bytes(b"original\n")
    (folder / "fresh.txt.gz").write_bytes(b"compressed later\n")
    (folder / "linked.txt").write_bytes(b"original\n")
    (folder / "linked.txt.gz").symlink_to("../outside")
    (folder / "folder-link").symlink_to("docs")
    (folder / "out").symlink_to("..")
    times = {"sparse.bin": 0, "fresh.txt": 0, "fresh.txt.gz": 1, "linked.txt": 0}
    for name, later_s in times.items():
        os.utime(folder / name, ns=((MTIME_S + later_s) * 1_000_000_000,) * 2)
    return folder
