from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ktlsserve.errors import RequestError
from ktlsserve.http1.folder import Entry, Folder
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.listing import Listings
from ktlsserve.http1.listing_html import CONTENT_SECURITY_POLICY
from ktlsserve.http1.reply import Reply, ReplyTerms, ServedFile
from ktlsserve.http1.request import HeadLimits, Request
from ktlsserve.http1.target import resolve_target
from tests.support.memory_site import MemoryFiles
from tests.support.site_tree import NOW_S


@dataclass(slots=True)
class CountingReader:
    """Lists any folder as having ``entries``, and counts how often it is asked."""

    entries: tuple[Entry, ...] = (Entry(b"a.txt", False, 3, 0),)
    complete: bool = True
    asked: list[bytes] = field(default_factory=list)

    def read(self, file: ServedFile, path: bytes) -> Folder:
        assert file.is_directory
        self.asked.append(path)
        return Folder(path, self.entries, self.complete)


def request(target: str, *fields: str, method: str = "GET") -> Request:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *fields, "", ""]
    return parse_head("\r\n".join(lines).encode("latin-1"), HeadLimits())


def ask(
    listings: Listings,
    target: str = "/docs/",
    *fields: str,
    method: str = "GET",
    now_s: int = NOW_S,
    files: MemoryFiles | None = None,
) -> Reply:
    asked = request(target, *fields, method=method)
    terms = ReplyTerms.of(asked, now_s, b"test")
    opener = files or MemoryFiles()
    try:
        return listings.reply(asked, resolve_target(asked), opener, terms)
    finally:
        assert opener.uses() == 0


def fields_of(reply: Reply) -> dict[bytes, bytes]:
    lines = reply.head.split(b"\r\n")[1:-2]
    return dict(line.split(b": ", 1) for line in lines)


def test_a_page() -> None:
    reply = ask(Listings(CountingReader()))
    fields = fields_of(reply)
    assert (reply.status, reply.close) == (200, False)
    assert b"Index of <bdi>/docs/</bdi>" in reply.body[0]  # type: ignore[operator]
    assert fields[b"Content-Type"] == b"text/html; charset=utf-8"
    assert fields[b"Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert fields[b"X-Content-Type-Options"] == b"nosniff"
    assert fields[b"Cache-Control"] == b"no-cache"
    assert fields[b"Vary"] == b"Accept"
    assert not fields.keys() & {b"Last-Modified", b"Accept-Ranges", b"Listing-Complete"}


def test_json_for_those_who_would_rather_have_it() -> None:
    listings = Listings(CountingReader())
    reply = ask(listings, "/docs/", "Accept: application/json, text/html;q=0.9")
    assert fields_of(reply)[b"Content-Type"] == b"application/json"
    assert reply.body[0].startswith(b'[{"name":"a.txt"')  # type: ignore[union-attr]
    for accept in ("*/*", "text/html, application/json", "application/json;q=0.1, */*;q=0.2", "nonsense"):
        reply = ask(listings, "/docs/", f"Accept: {accept}")
        assert fields_of(reply)[b"Content-Type"].startswith(b"text/html")


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_a_listing_that_is_not_all_says_so(accept: str) -> None:
    reply = ask(Listings(CountingReader(complete=False)), "/docs/", f"Accept: {accept}")
    assert fields_of(reply)[b"Listing-Complete"] == b"?0"


def test_the_query_is_the_order() -> None:
    reader = CountingReader((Entry(b"a", False, 1, 0), Entry(b"b", False, 2, 0)))
    body = ask(Listings(reader), "/docs/?sort=size&order=desc", "Accept: application/json").body[0]
    assert isinstance(body, bytes)
    assert body.index(b'"b"') < body.index(b'"a"')


def test_head_tells_the_length_only() -> None:
    listings = Listings(CountingReader())
    whole, head = ask(listings), ask(listings, method="HEAD")
    assert head.body == ()
    assert head.head == whole.head


def test_what_is_no_folder_is_not_found() -> None:
    with pytest.raises(RequestError) as caught:
        ask(Listings(CountingReader()), "/hello.txt/")
    assert caught.value.status == 404


@pytest.mark.parametrize("status", [403, 404, 503])
def test_what_the_opener_refuses_is_refused(status: int) -> None:
    with pytest.raises(RequestError) as caught:
        ask(Listings(CountingReader()), files=MemoryFiles(refuse={b"docs": status}))
    assert caught.value.status == status


def test_an_unchanged_listing_is_not_sent_again() -> None:
    reader = CountingReader()
    listings = Listings(reader)
    etag = fields_of(ask(listings))[b"ETag"].decode()
    reply = ask(listings, "/docs/", f"If-None-Match: {etag}", now_s=NOW_S + 1)
    assert (reply.status, reply.body) == (304, ())
    assert fields_of(reply).keys() == {b"Date", b"Server", b"ETag", b"Cache-Control", b"Vary"}
    reader.entries = (Entry(b"b.txt", False, 3, 0),)
    assert ask(listings, "/docs/", f"If-None-Match: {etag}", now_s=NOW_S + 2).status == 200


def test_each_order_and_format_has_its_own_tag() -> None:
    listings = Listings(CountingReader((Entry(b"a", False, 1, 0), Entry(b"b", False, 2, 0))))
    replies = [ask(listings), ask(listings, "/docs/?order=desc"), ask(listings, "/docs/", "Accept: application/json")]
    assert len({fields_of(reply)[b"ETag"] for reply in replies}) == 3


def test_an_if_match_that_does_not_match_fails() -> None:
    with pytest.raises(RequestError) as caught:
        ask(Listings(CountingReader()), "/docs/", 'If-Match: "other"')
    assert caught.value.status == 412


@pytest.mark.parametrize("date", ["Mon, 01 Jan 1990 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"])
@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since"])
@pytest.mark.parametrize("also", [[], ['If-None-Match: "other"'], ["If-Match: *"]])
def test_dates_mean_nothing_to_what_has_none(name: str, date: str, also: list[str]) -> None:
    assert ask(Listings(CountingReader()), "/docs/", f"{name}: {date}", *also).status == 200


def test_a_range_is_ignored() -> None:
    assert ask(Listings(CountingReader()), "/docs/", "Range: bytes=0-1").status == 200


def test_a_folder_is_read_once_a_second() -> None:
    reader = CountingReader()
    listings = Listings(reader)
    for target in ("/docs/", "/docs/?x=1", "/docs/?sort=name&order=asc", "/docs/"):
        ask(listings, target)
    assert reader.asked == [b"docs"]
    ask(listings, now_s=NOW_S + 1)
    assert reader.asked == [b"docs"] * 2
    # A clock that was set back is another second too.
    ask(listings, now_s=NOW_S)
    assert reader.asked == [b"docs"] * 3


def test_a_folder_that_may_no_longer_be_opened_is_not_answered_from_memory() -> None:
    listings = Listings(CountingReader())
    ask(listings)
    with pytest.raises(RequestError):
        ask(listings, files=MemoryFiles(refuse={b"docs": 403}))


def test_an_unchanged_listing_is_the_same_object() -> None:
    listings = Listings(CountingReader())
    assert ask(listings).body[0] is ask(listings, now_s=NOW_S + 1).body[0]


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    reader = CountingReader()
    listings = Listings(reader, kept_bytes=2 * ask(Listings(reader)).body_bytes + 100)
    reader.asked.clear()
    for target in ("/docs/", "/", "/docs/", "/noindex/", "/docs/", "/", "/noindex/"):
        ask(listings, target)
    assert reader.asked == [b"docs", b"", b"noindex", b"", b"noindex"]


def test_a_listing_that_changed_takes_the_place_of_the_old_one() -> None:
    reader = CountingReader()
    one = ask(Listings(reader)).body_bytes
    listings = Listings(reader, kept_bytes=2 * one + 100)
    for second in range(10):
        reader.entries = (Entry(b"%05d" % second, False, 3, 0),)
        ask(listings, now_s=NOW_S + second)
        ask(listings, "/", now_s=NOW_S + second)
        reader.asked.clear()
        ask(listings, now_s=NOW_S + second)
        ask(listings, "/", now_s=NOW_S + second)
        assert reader.asked == []


@pytest.mark.parametrize("kept_bytes", [0, 100])
def test_what_is_too_long_is_not_kept_and_pushes_nothing_out(kept_bytes: int) -> None:
    reader = CountingReader(())
    listings = Listings(reader, kept_bytes)
    ask(listings, "/docs/", "Accept: application/json")
    ask(listings, "/docs/")
    ask(listings, "/docs/", "Accept: application/json")
    assert len(reader.asked) == (3 if kept_bytes == 0 else 2)
