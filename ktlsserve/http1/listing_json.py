"""A folder's listing for programs."""

from __future__ import annotations

import json

from ktlsserve.http1.folder import Folder, Order, in_order
from ktlsserve.http1.listing_html import relative_link, utc_time

CONTENT_TYPE = b"application/json"


def listing_json(folder: Folder, order: Order) -> bytes:
    """Return an array with an object for each entry: name, type, size, mtime and url; UTF-8.

    ``type`` is "file" or "directory", ``size`` is in bytes and null for folders, ``mtime`` is of ISO 8601 in UTC.
    JSON text is Unicode and names are bytes, so ``name`` is for people: what isn't UTF-8 in it is U+FFFD. ``url`` is
    exact for every name: a reference relative to the listing, percent-encoded byte by byte.
    """
    entries = [
        {
            "name": entry.name.decode("utf-8", "replace"),
            "type": "directory" if entry.is_folder else "file",
            "size": None if entry.is_folder else entry.size,
            "mtime": "{}T{}Z".format(*utc_time(entry.mtime_ns)),
            "url": relative_link(entry),
        }
        for entry in in_order(folder, order)
    ]
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
