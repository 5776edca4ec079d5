from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from urllib.parse import unquote_to_bytes, urljoin

import pytest

from ktlsserve.http1.folder import Entry, Folder, Order, SortKey
from ktlsserve.http1.listing_html import (
    CONTENT_SECURITY_POLICY,
    listing_html,
    relative_link,
    shown_name,
    utc_time,
)
from tests.support.listing_page import ListingPage, read_listing
from tests.support.site_tree import MTIME_S

NS = 1_000_000_000


def page_of(*entries: Entry, path: bytes = b"", order: Order | None = None, complete: bool = True) -> ListingPage:
    return read_listing(listing_html(Folder(path, entries, complete), order or Order()))


def file(name: bytes, size: int = 0) -> Entry:
    return Entry(name, False, size, MTIME_S * NS)


def folder(name: bytes) -> Entry:
    return Entry(name, True, 4096, MTIME_S * NS)


def test_a_row_tells_name_size_and_time() -> None:
    row = page_of(file(b"a.txt", 123_456)).rows[0]
    assert (row.href, row.text) == ("./a.txt", "a.txt")
    assert (row.size, row.size_title, row.size_text) == ("123456", "123,456 bytes", "121 KiB")
    assert row.time == "2023-11-14T22:13:20Z"


def test_folders_have_a_slash_and_no_size() -> None:
    row = page_of(folder(b"docs")).rows[0]
    assert (row.href, row.text, row.size) == ("./docs/", "docs/", None)
    row = page_of(folder(b"my docs")).rows[0]
    assert (row.href, row.text) == ("./my%20docs/", "my docs/")


@pytest.mark.parametrize(
    ("name", "href", "text"),
    [
        (b"a b", "./a%20b", "a b"),
        (b"a:b", "./a%3Ab", "a:b"),
        (b"javascript:alert(1)", "./javascript%3Aalert%281%29", "javascript:alert(1)"),
        (b"//x", "./%2F%2Fx", "//x"),
        (b"..", "./..", ".."),
        (b"?sort=size#top", "./%3Fsort%3Dsize%23top", "?sort=size#top"),
        (b"50%41", "./50%2541", "50%41"),
        (b'"><script>', "./%22%3E%3Cscript%3E", '"><script>'),
        (b"'&amp;", "./%27%26amp%3B", "'&amp;"),
        (b"back\\slash", "./back%5Cslash", "back\\slash"),
        (b"{brace}", "./%7Bbrace%7D", "{brace}"),
        ("größe.txt".encode(), "./gr%C3%B6%C3%9Fe.txt", "größe.txt"),
        (b"latin-\xe9", "./latin-%E9", "latin-\ufffd"),
        (b"line\r\nbreak\0\x7f", "./line%0D%0Abreak%00%7F", "line\u240d\u240abreak\u2400\u2421"),
        ("c1\x85".encode(), "./c1%C2%85", "c1\ufffd"),
        ("evil\u202egpj.exe".encode(), "./evil%E2%80%AEgpj.exe", "evil\ufffdgpj.exe"),
        ("\u2066a\u2069\u2028".encode(), "./%E2%81%A6a%E2%81%A9%E2%80%A8", "\ufffda\ufffd\ufffd"),
        # The joiner of an emoji family isn't printable either, and stays.
        ("👩\u200d💻".encode(), "./%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB", "👩\u200d💻"),
    ],
)
def test_names_stay_names(name: bytes, href: str, text: str) -> None:
    page = page_of(file(name))
    assert [(row.href, row.text) for row in page.rows] == [(href, text)]
    assert "script" not in page.tags
    # Only the tags and attributes that every page has.
    plain = page_of(file(b"a"))
    assert (page.tags, page.attributes) == (plain.tags, plain.attributes)


@pytest.mark.parametrize("name", [b"//x", b"a:b", b"?q", b"#f", b"%2e", b"\\\\host\\x", b" x "])
def test_links_stay_in_the_folder(name: bytes) -> None:
    resolved = urljoin("https://example.org/docs/", relative_link(file(name)))
    assert resolved.startswith("https://example.org/docs/")
    assert unquote_to_bytes(resolved.removeprefix("https://example.org/docs/")) == name


def test_the_path_is_escaped_everywhere() -> None:
    page = page_of(path=b'a/<b>&"/{c}')
    assert page.title == 'Index of /a/<b>&"/{c}/'
    assert page.crumbs == [("../../../", "Top"), ("../../", "a"), ("../", '<b>&"'), (None, "{c}")]
    assert "b" not in page.tags


def test_the_way_up() -> None:
    assert page_of().crumbs == [(None, "Top")]
    assert [row.href for row in page_of(path=b"docs").rows] == ["../"]
    assert page_of().rows == []


def test_sort_links_turn_the_order_round() -> None:
    assert page_of(file(b"a")).sort_links == [
        ("?sort=name&order=desc", "ascending"),
        ("?sort=size&order=desc", None),
        ("?sort=time&order=desc", None),
    ]
    assert page_of(file(b"a"), order=Order(SortKey.SIZE, descending=True)).sort_links == [
        ("?sort=name&order=asc", None),
        ("?sort=size&order=asc", "descending"),
        ("?sort=time&order=desc", None),
    ]


def test_rows_are_in_the_order_asked_for() -> None:
    page = page_of(file(b"a", 1), file(b"b", 2), folder(b"c"), order=Order(SortKey.SIZE, descending=True))
    assert [row.text for row in page.rows] == ["c/", "b", "a"]


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((), "Nothing here."),
        ((file(b"a", 1),), "1 file, 1 B"),
        ((file(b"a", 1000), file(b"b", 1000)), "2 files, 2.0 KiB"),
        ((folder(b"a"),), "1 folder"),
        ((folder(b"a"), folder(b"b"), file(b"c")), "2 folders, 1 file, 0 B"),
    ],
)
def test_the_sum(entries: tuple[Entry, ...], said: str) -> None:
    assert page_of(*entries).notes == said


def test_what_is_left_out_is_said() -> None:
    page = page_of(file(b"a"), file(b"b"), complete=False)
    assert page.notes == "There is more in this folder than the 2 entries shown here."


def test_the_policy_allows_exactly_this_style() -> None:
    page = page_of(file(b"a"))
    digest = b64encode(sha256(page.style.encode()).digest())
    assert b"style-src 'sha256-%b'" % digest in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith(b"default-src 'none'; ")
    assert not page.attributes & {"style", "onclick", "onload", "src"}


@pytest.mark.parametrize(
    ("mtime_ns", "expected"),
    [
        (0, ("1970-01-01", "00:00:00")),
        (-1, ("1969-12-31", "23:59:59")),
        (1_709_251_199 * NS + 999_999_999, ("2024-02-29", "23:59:59")),
        (-(1 << 63), ("1677-09-21", "00:12:43")),
        (-62_135_596_801 * NS, ("0001-01-01", "00:00:00")),
        (253_402_300_800 * NS, ("9999-12-31", "23:59:59")),
    ],
)
def test_times(mtime_ns: int, expected: tuple[str, str]) -> None:
    assert utc_time(mtime_ns) == expected


def test_names_of_any_encoding_can_be_shown() -> None:
    assert shown_name(b"\xff\xfe") == "\ufffd\ufffd"
