"""A folder whose names want to be taken for something else, and one with the usual ones, to be listed."""

from __future__ import annotations

import os
from pathlib import Path

MTIME_S = 1_700_000_000

HOSTILE_NAMES = (
    b"<img src=x onerror=document.title='injected'>.png",
    b"\"><svg onload=document.title='injected'>",
    b"'&quot;&lt;b&gt;.txt",
    b"<!-- hidden",
    b"javascript:document.title='injected'",
    b"data:text,injected",
    b"\\\\files.example\\share",
    b"?sort=size&order=desc",
    b"#top",
    b"50%41%00",
    b"  spaces  around  ",
    b"line\r\nbreak\t.txt",
    b"escape\x1b[31m\x7f",
    b"latin-\xe9.txt",
    # Overrides of direction: shown as they say, this would be photoexe.jpg.
    "photo\u202egpj.exe".encode(),
    "\u2067isolate".encode(),
    "\u2028separator".encode(),
    "תמונה 2026.png".encode(),
    "صورة 1.jpeg".encode(),
    "👩\u200d💻 notes.md".encode(),
    # Marks upon marks: they grow out of their line.
    b"z" + "\u0301\u0316".encode() * 50,
    b"long-" + b"W" * 250,
    "日本語の長い名前".encode() * 10,
)
"""File names as the kernel has them: any bytes but slashes and NUL."""


def make_folders(root: Path, listed_entries: int) -> None:
    """Make ``/`` with usual names, ``/hostile/``, ``/empty/``, ``/long/`` with more than is listed, and deep folders.

    Each file below ``/hostile/`` holds its own name.
    """
    usual = {
        "README.md": 1_234,
        "archive-2026-11.tar.zst": 48_123_456,
        "index of all.pdf": 0,
        "photo.jpeg": 734_003,
        "video.webm": 2_147_483_648,
    }
    for number, (name, size) in enumerate(usual.items()):
        _make_file(root / name, b"", number)
        os.truncate(root / name, size)
        _date(root / name, number)
    for hostile in HOSTILE_NAMES:
        _make_file(root / "hostile" / os.fsdecode(hostile), hostile, 0)
    (root / "empty").mkdir()
    for number in range(listed_entries + 1):
        _make_file(root / "long" / f"part-{number:05}.bin", b"", number)
    _make_file(root / "a long name for a folder" / ("deep" * 20) / "deeper" / "still deeper" / "file.txt", b"", 0)
    _make_file(root / "favicon.ico", b"", 0)
    for folder in [*root.rglob("*/"), root]:
        _date(folder, 0)


def _make_file(file: Path, content: bytes, days: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    _date(file, days)


def _date(path: Path, days: int) -> None:
    when_s = MTIME_S + days * 86400
    os.utime(path, (when_s, when_s))
