from __future__ import annotations

import json
from urllib.parse import unquote_to_bytes, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.errors import RequestError
from ktlsserve.http1.accept import media_weight
from ktlsserve.http1.folder import Entry, Folder, Order, SortKey, in_order, parse_order
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.listing_html import listing_html, shown_name
from ktlsserve.http1.listing_json import listing_json
from ktlsserve.http1.request import HeadLimits
from ktlsserve.http1.target import resolve_target
from tests.support.listing_page import read_listing

NASTY = st.sampled_from(
    [
        b"<",
        b">",
        b'"',
        b"'",
        b"&",
        b"&lt;",
        b"</a>",
        b"<!--",
        b"-->",
        b"//",
        b":",
        b"%",
        b"%41",
        b"?",
        b"#",
        b"\\",
        b"{}",
    ]
)
NAMES = st.one_of(
    st.binary(min_size=1, max_size=30),
    st.text(min_size=1, max_size=30).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.one_of(NASTY, st.binary(min_size=1, max_size=3)), min_size=1, max_size=8).map(b"".join),
)
SIZES = st.integers(0, (1 << 63) - 1)
TIMES = st.integers(-(1 << 63), (1 << 63) - 1)
ENTRIES = st.builds(Entry, NAMES, st.booleans(), SIZES, TIMES)
FOLDERS = st.builds(
    Folder,
    st.lists(NAMES.map(lambda name: name.replace(b"/", b"_")), max_size=3).map(b"/".join),
    st.lists(ENTRIES, max_size=8, unique_by=lambda entry: entry.name).map(tuple),
    st.booleans(),
)
ORDERS = st.builds(Order, st.sampled_from(SortKey), st.booleans())


@given(folder=FOLDERS, order=ORDERS)
def test_a_page_read_back_names_each_entry_exactly(folder: Folder, order: Order) -> None:
    page = read_listing(listing_html(folder, order))
    rows = [row for row in page.rows if row.href != "../"]
    entries = in_order(folder, order)
    assert len(rows) == len(entries) == len(folder.entries)
    for row, entry in zip(rows, entries, strict=True):
        link = row.href.removeprefix("./")
        assert link != row.href
        assert unquote_to_bytes(link.removesuffix("/") if entry.is_folder else link) == entry.name
        assert row.text == shown_name(entry.name) + "/" * entry.is_folder
        assert row.size == (None if entry.is_folder else str(entry.size))


@given(folder=FOLDERS, order=ORDERS)
def test_names_bring_no_markup(folder: Folder, order: Order) -> None:
    page = read_listing(listing_html(folder, order))
    harmless = Folder(
        b"/".join(b"x" for name in folder.path.split(b"/") if name),
        tuple(Entry(b"%d" % number, *entry[1:]) for number, entry in enumerate(folder.entries)),
        folder.complete,
    )
    plain = read_listing(listing_html(harmless, order))
    assert (page.tags, page.attributes) == (plain.tags, plain.attributes)


@given(name=NAMES)
def test_shown_names_hold_nothing_that_is_not_seen_or_turns_text_round(name: bytes) -> None:
    shown = shown_name(name)
    controls = [
        *range(0x20),
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
        *range(0xD800, 0xE000),
    ]
    assert not set(shown) & set(map(chr, controls))


@given(entry=ENTRIES)
def test_a_link_is_a_path_and_nothing_else(entry: Entry) -> None:
    (row,) = read_listing(listing_html(Folder(b"", (entry,)), Order())).rows
    parts = urlsplit(row.href)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
    assert parts.path == row.href


@given(name=NAMES.filter(lambda name: b"/" not in name))
def test_following_a_link_asks_for_the_entry(name: bytes) -> None:
    """Unless the name is one that requests can't have, which the reader leaves out."""
    (row,) = read_listing(listing_html(Folder(b"", (Entry(name, False, 0, 0),)), Order())).rows
    asked = row.href.removeprefix(".").encode()
    request = parse_head(b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % asked, HeadLimits())
    if name.startswith(b".") or any(byte < 0x20 or byte == 0x7F for byte in name):
        try:
            resolve_target(request)
        except RequestError:
            return
        assert name == b".well-known"
    else:
        assert resolve_target(request).path == name


@given(folder=FOLDERS, order=ORDERS)
def test_json_names_each_entry_exactly(folder: Folder, order: Order) -> None:
    listed = json.loads(listing_json(folder, order))
    for said, entry in zip(listed, in_order(folder, order), strict=True):
        link = said["url"].removeprefix("./")
        assert unquote_to_bytes(link.removesuffix("/") if entry.is_folder else link) == entry.name
        assert said["type"] == ("directory" if entry.is_folder else "file")


@given(query=st.one_of(st.none(), st.binary(max_size=80)))
def test_any_query_has_an_order(query: bytes | None) -> None:
    assert parse_order(query) in [Order(key, way) for key in SortKey for way in (False, True)]


@given(accept=st.lists(st.sampled_from([b'"', b"\\", b",", b";", b"=", b"q", b"*/*", b"a/b", b"0.5", b" ", b"x"])))
def test_any_accept_field_has_a_weight(accept: list[bytes]) -> None:
    assert 0 <= media_weight(b"".join(accept), b"a/b") <= 1000


@given(
    ranges=st.lists(
        st.tuples(st.sampled_from([b"*/*", b"text/*", b"text/html", b"application/json"]), st.integers(0, 1000)),
        min_size=1,
        max_size=6,
        unique_by=lambda pair: pair[0],
    )
)
def test_the_most_specific_range_decides(ranges: list[tuple[bytes, int]]) -> None:
    field = b", ".join(b"%b;q=%b" % (name, b"1" if weight == 1000 else b"0.%03d" % weight) for name, weight in ranges)
    said = dict(ranges)
    expected = next((said[name] for name in (b"text/html", b"text/*", b"*/*") if name in said), 0)
    assert media_weight(field, b"text/html") == expected
