"""A folder's listing as a page for people: no script, no image, and nothing from a name that isn't text.

A name reaches the page twice: percent-encoded byte by byte in its link, so that the link leads to exactly this file,
and as text. The text shows what can't be seen, or would rearrange what is (control characters, and the characters
that override the direction of writing: ``gpj.exe`` would read ``exe.jpg``), by a sign of its own, and stands in
``<bdi>``, so that a name written from right to left doesn't carry its neighbours along.
"""

from __future__ import annotations

import re
import time
from base64 import b64encode
from functools import lru_cache
from hashlib import sha256
from html import escape

from ktlsserve.http1.folder import Entry, Folder, Order, SortKey, in_order
from ktlsserve.http1.listing_style import STYLE
from ktlsserve.units import human_size

CONTENT_TYPE = b"text/html; charset=utf-8"

CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; style-src 'sha256-%b'; img-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'" % b64encode(sha256(STYLE.encode()).digest())
)
"""Only this page's own style, and images for the site's icon, which browsers ask for."""

# Names that are the same in a link, in HTML and on the screen: nearly all.
_PLAIN = re.compile(rb"[0-9A-Za-z_.~-]+")

# What each byte is in a link: the unreserved ones of RFC 3986 section 2.3 themselves.
_IN_LINK = [chr(byte) if _PLAIN.fullmatch(bytes((byte,))) else f"%{byte:02X}" for byte in range(256)]

_REPLACEMENT = "\ufffd"
_UNSEEN = (
    {code: chr(0x2400 + code) for code in range(0x20)}
    | {0x7F: "\u2421"}
    | dict.fromkeys(range(0x80, 0xA0), _REPLACEMENT)
    # Line and paragraph separators; embeddings, overrides and isolates of direction (Unicode standard annex 9).
    | dict.fromkeys((0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)), _REPLACEMENT)
)
_HEAD = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Index of {where}</title>
<style>{style}</style>
</head>
<body>
"""
_COLUMNS = {SortKey.NAME: "Name", SortKey.SIZE: "Size", SortKey.TIME: "Modified<span> (UTC)</span>"}
_TWO = [f"{number:02}" for number in range(60)]
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799


def listing_html(folder: Folder, order: Order) -> bytes:
    """Return the page that lists ``folder`` in ``order``, for a URL that ends in a slash; UTF-8.

    All its links are relative: the page works under any prefix that a proxy adds.
    """
    where = escape(shown_name(b"/%b/" % folder.path if folder.path else b"/"))
    rows = [_row(entry) for entry in in_order(folder, order)]
    if folder.path:
        rows.insert(0, '<tr class="d u"><td><a href="../">Parent folder</a></td><td></td><td></td></tr>\n')
    page = [
        _HEAD.format(where=where, style=STYLE),
        f'<nav aria-label="Path">{_breadcrumbs(folder.path)}</nav>\n<main>\n<h1>Index of <bdi>{where}</bdi></h1>\n',
        _note(folder),
    ]
    if rows:
        page += [f"<table>\n<thead>\n<tr>{_headings(order)}</tr>\n</thead>\n<tbody>\n", *rows, "</tbody>\n</table>\n"]
    page.append("</main>\n</body>\n</html>\n")
    return "".join(page).encode()


def shown_name(name: bytes) -> str:
    """Return a name as text to be read: bytes that aren't UTF-8 and characters that can't be seen have signs."""
    text = name.decode("utf-8", "replace")
    # The quick check also stops at characters that are left alone, such as the joiners of emoji.
    return text if text.isprintable() else text.translate(_UNSEEN)


def relative_link(entry: Entry) -> str:
    """Return the link from a listing to one of its entries, folders with a slash at the end.

    Every byte that isn't unreserved is percent-encoded, and the link starts with ``./``: whatever the name, it can't
    be taken for another scheme, host, query or fragment.
    """
    return f"./{''.join(map(_IN_LINK.__getitem__, entry.name))}{'/' if entry.is_folder else ''}"


def utc_time(mtime_ns: int) -> tuple[str, str]:
    """Return a date and a time of day of ISO 8601 in UTC; times outside of the years 1 to 9999 become the nearest."""
    epoch_s = mtime_ns // 1_000_000_000
    if not _FIRST_S <= epoch_s <= _LAST_S:
        epoch_s = _FIRST_S if epoch_s < 0 else _LAST_S
    days, second = divmod(epoch_s, 86400)
    return _day(days), f"{_TWO[second // 3600]}:{_TWO[second // 60 % 60]}:{_TWO[second % 60]}"


@lru_cache(maxsize=1024)
def _day(days: int) -> str:
    """Return the date ``days`` after the epoch; files of one folder are often of few days."""
    t = time.gmtime(days * 86400)
    return f"{t.tm_year:04}-{t.tm_mon:02}-{t.tm_mday:02}"


def _row(entry: Entry) -> str:
    if _PLAIN.fullmatch(entry.name):
        text = entry.name.decode()
        link = f"./{text}/" if entry.is_folder else f"./{text}"
    else:
        text = escape(shown_name(entry.name))
        link = relative_link(entry)
    day, clock = utc_time(entry.mtime_ns)
    when = f'<time datetime="{day}T{clock}Z">{day}<span> {clock}</span></time>'
    if entry.is_folder:
        return f'<tr class="d"><td><a href="{link}"><bdi>{text}</bdi>/</a></td><td></td><td>{when}</td></tr>\n'
    size = f'<data value="{entry.size}" title="{entry.size:,} bytes">{human_size(entry.size)}</data>'
    return f'<tr><td><a href="{link}"><bdi>{text}</bdi></a></td><td>{size}</td><td>{when}</td></tr>\n'


def _headings(order: Order) -> str:
    """Return the head of the table: a link on each column that sorts by it, or the other way round."""
    cells = []
    for key, title in _COLUMNS.items():
        if key is order.key:
            way = "descending" if order.descending else "ascending"
            there = Order(key, not order.descending)
            cells.append(f'<th scope="col" aria-sort="{way}"><a href="?{escape(there.query())}">{title}</a></th>')
        else:
            # The largest and the newest are what one looks for.
            there = Order(key, descending=key is not SortKey.NAME)
            cells.append(f'<th scope="col"><a href="?{escape(there.query())}">{title}</a></th>')
    return "".join(cells)


def _breadcrumbs(path: bytes) -> str:
    """Return the way from the top to this folder: links to all folders above it."""
    texts = ["Top"] + [f"<bdi>{escape(shown_name(name))}</bdi>" for name in path.split(b"/") if name]
    *above, here = texts
    links = [f'<a href="{"../" * (len(above) - depth)}">{text}</a>' for depth, text in enumerate(above)]
    return " / ".join([*links, f'<span aria-current="page">{here}</span>'])


def _note(folder: Folder) -> str:
    """Say what is here in all, or that not all of it is shown."""
    folders = sum(entry.is_folder for entry in folder.entries)
    files = len(folder.entries) - folders
    if not folder.complete:
        shown = f"{len(folder.entries):,}"
        return f'<p class="n" role="note">There is more in this folder than the {shown} entries shown here.</p>\n'
    parts = []
    if folders:
        parts.append(f"{folders:,} folder{'s' * (folders != 1)}")
    if files:
        size = human_size(sum(entry.size for entry in folder.entries if not entry.is_folder))
        parts.append(f"{files:,} file{'s' * (files != 1)}, {size}")
    return f"<p>{', '.join(parts) or 'Nothing here.'}</p>\n"
