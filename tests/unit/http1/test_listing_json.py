from __future__ import annotations

import json

from ktlsserve.http1.folder import Entry, Folder, Order, SortKey
from ktlsserve.http1.listing_json import listing_json
from tests.support.site_tree import MTIME_S

NS = 1_000_000_000


def test_each_entry_is_an_object() -> None:
    folder = Folder(b"x", (Entry(b"a b.txt", False, 12, MTIME_S * NS + 5), Entry(b"docs", True, 4096, 0)))
    assert json.loads(listing_json(folder, Order())) == [
        {"name": "docs", "type": "directory", "size": None, "mtime": "1970-01-01T00:00:00Z", "url": "./docs/"},
        {"name": "a b.txt", "type": "file", "size": 12, "mtime": "2023-11-14T22:13:20Z", "url": "./a%20b.txt"},
    ]


def test_names_that_are_no_text_keep_their_exact_url() -> None:
    (entry,) = json.loads(listing_json(Folder(b"", (Entry(b'\xe9"\\\n\xe2\x80\xa8', False, 0, 0),)), Order()))
    assert entry["name"] == '\ufffd"\\\n\u2028'
    assert entry["url"] == "./%E9%22%5C%0A%E2%80%A8"


def test_the_order_is_the_one_asked_for() -> None:
    folder = Folder(b"", (Entry(b"a", False, 1, 0), Entry(b"b", False, 2, 0)))
    listing = json.loads(listing_json(folder, Order(SortKey.SIZE, descending=True)))
    assert [entry["name"] for entry in listing] == ["b", "a"]


def test_nothing_is_an_empty_array() -> None:
    assert listing_json(Folder(b"", ()), Order()) == b"[]\n"
