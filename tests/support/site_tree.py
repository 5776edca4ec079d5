"""One small site that many tests serve: in memory, and as files on a disk.

Sizes, contents and times are fixed, so the corpus can name entity-tags and dates literally.
"""

from __future__ import annotations

import os
from pathlib import Path

from ktlsserve.http1.dates import format_http_date

MTIME_S = 1_700_000_000
"""Files were changed at Tue, 14 Nov 2023 22:13:20 GMT; those in STALE a second earlier."""

NOW_S = 1_750_000_000
"""When the pure tests take place: Sun, 15 Jun 2025 15:06:40 GMT."""

BODY_BYTES = 65536
"""The longest request body that is read over, where the corpus is replayed."""

DIGITS = b"0123456789"

FILES: dict[bytes, bytes] = {
    b"index.html": b"<!doctype html><title>home</title><p>home\n",
    b"hello.txt": b"hello, world\n",
    b"digits.txt": DIGITS,
    b"empty.txt": b"",
    b"style.css": b"body { margin: 0 }\n",
    b"app.js": b"console.log('plain')\n" * 8,
    b"app.js.br": b"not really brotli",
    b"app.js.gz": b"not really gzip",
    b"app.js.zst": b"not really zstd",
    b"only-gz.txt": b"plain text with one sibling\n" * 4,
    b"only-gz.txt.gz": b"gzipped text",
    b"stale.txt": b"text that was changed\n",
    b"stale.txt.gz": b"what the text was before",
    b"orphan.txt.gz": b"no plain file beside it",
    b"noextension": b"octets",
    b"with space.txt": b"space\n",
    b"50%.txt": b"percent\n",
    b"a+b.txt": b"plus\n",
    b"semi;colon.txt": b"semicolon\n",
    b"que?ry.txt": b"question mark\n",
    "grüße.txt".encode(): "grüße\n".encode(),
    b"latin-\xe9.txt": b"not UTF-8\n",
    b"docs/index.html": b"<p>docs\n",
    b"docs/guide.html": b"<p>guide\n",
    b"docs/deep/er/page.html": b"<p>page\n",
    b"sub dir/index.html": b"<p>sub dir\n",
    b"noindex/file.txt": b"in a folder without an index\n",
    b"indexdir/index.html/inner.txt": b"the index is a folder\n",
    b"back\\slash/index.html": b"<p>backslash\n",
    b".well-known/security.txt": b"Contact: mailto:security@example.org\n",
    b".well-known/.hidden": b"hidden below\n",
    b".hidden": b"hidden\n",
    b".git/config": b"[core]\n",
    b"docs/.htpasswd": b"user:secret\n",
    b"docs/.well-known/x.txt": b"not at the top\n",
    b"big.bin": bytes(range(256)) * 1024,
}
"""Path beneath the root → content. Every folder on the way exists."""

STALE = frozenset({b"stale.txt.gz"})
"""Files that were changed a second before all others."""

SPECIAL = (b"fifo", b"escape", b"loop", b"inside")
"""What only a disk can hold: a FIFO, a symlink out of the root, one to itself, and one to ``hello.txt``."""


def mtime_ns_of(path: bytes) -> int:
    """Return when a file of the tree was changed."""
    return (MTIME_S - (path in STALE)) * 1_000_000_000


def etag_of(content: bytes) -> bytes:
    """Return the entity-tag that a file of the tree with this content has."""
    return b'"%x-%x"' % (MTIME_S * 1_000_000_000, len(content))


def last_modified() -> bytes:
    """Return the Last-Modified of every file of the tree."""
    return format_http_date(MTIME_S)


def make_site_tree(folder: Path) -> Path:
    """Write the tree into ``folder``, with the special files, and return it."""
    for name, content in FILES.items():
        path = folder / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, ns=(mtime_ns_of(name),) * 2)
    os.mkfifo(folder / "fifo")
    (folder / "escape").symlink_to("/etc/passwd")
    (folder / "loop").symlink_to("loop")
    (folder / "inside").symlink_to("hello.txt")
    return folder
