from __future__ import annotations

import pytest

from ktlsserve.http1.reply import (
    REASON_PHRASES,
    FileSlice,
    Reply,
    ReplyTerms,
    error_reply,
    file_reply,
    make_reply,
    redirect_reply,
)
from ktlsserve.http1.request import Request
from tests.support.memory_site import memory_file

TERMS = ReplyTerms(784111777, b"test", close=False)


def request(method: bytes = b"GET", http_version: bytes = b"1.1", *, keep_alive: bool = True) -> Request:
    return Request(method, b"/", http_version, (), keep_alive)


def test_a_whole_reply() -> None:
    reply = make_reply(200, TERMS, ((b"X", b"y"),), (b"hello",))
    assert reply.head == (
        b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: test\r\nX: y\r\nContent-Length: 5\r\n\r\n"
    )
    assert (reply.status, reply.body, reply.body_bytes, reply.close) == (200, (b"hello",), 5, False)


def test_head_only_tells_the_length_and_releases_the_files() -> None:
    file = memory_file(b"0123456789")
    terms = ReplyTerms(0, head_only=True, close=False)
    reply = make_reply(206, terms, (), (b"ab", FileSlice(file, 2, 3)))
    assert b"\r\nContent-Length: 5\r\n" in reply.head
    assert (reply.body, reply.body_bytes) == ((), 0)
    assert file.uses == 0


def test_empty_parts_are_left_out() -> None:
    assert make_reply(200, TERMS, (), (b"", b"a", b"")).body == (b"a",)


@pytest.mark.parametrize("status", [204, 304])
def test_bodiless_statuses_have_no_length(status: int) -> None:
    assert b"Content-Length" not in make_reply(status, TERMS).head


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        (ReplyTerms(0, close=True), b"Connection: close"),
        (ReplyTerms(0, close=True, http_version=b"1.0"), b"Connection: close"),
        (ReplyTerms(0, close=False, http_version=b"1.0"), b"Connection: keep-alive"),
        (ReplyTerms(0, close=False), None),
    ],
)
def test_connection(terms: ReplyTerms, field: bytes | None) -> None:
    reply = make_reply(200, terms)
    lines = reply.head.split(b"\r\n")
    assert [line for line in lines if line.startswith(b"Connection")] == ([field] if field else [])
    assert reply.close is terms.close


def test_no_server_field_without_a_name() -> None:
    assert b"Server" not in make_reply(200, ReplyTerms(0, b"")).head


@pytest.mark.parametrize("status", sorted(REASON_PHRASES))
def test_with_date_changes_the_date_and_nothing_else(status: int) -> None:
    reply = make_reply(status, TERMS, ((b"X", b"Date: not me"),), (b"x",))
    later = reply.with_date(784111778)
    assert later.head == reply.head.replace(b"08:49:37", b"08:49:38")
    assert later == Reply(status, later.head, reply.body, reply.close, reply.body_bytes)


def test_release_gives_up_every_slice() -> None:
    file = memory_file(b"0123456789")
    file.retain()
    make_reply(206, TERMS, (), (FileSlice(file, 0, 1), b"-", FileSlice(file, 5, 1))).release()
    assert file.uses == 0


def test_an_error_without_a_request_closes() -> None:
    reply = error_reply(408, None, 0)
    assert reply.close
    assert reply.body == (b"408 Request Timeout\n",)
    assert b"\r\nConnection: close\r\n" in reply.head
    assert b"\r\nServer: ktlsserve\r\n" in reply.head


def test_an_error_keeps_what_the_request_allows() -> None:
    assert not error_reply(404, request(), 0).close
    assert error_reply(404, request(keep_alive=False), 0).close
    assert error_reply(404, request(), 0, close=True).close


def test_an_error_to_head_has_the_same_head_and_no_body() -> None:
    to_get, to_head = error_reply(404, request(), 0), error_reply(404, request(b"HEAD"), 0)
    assert to_get.head == to_head.head
    assert to_head.body == ()


def test_a_redirect() -> None:
    reply = redirect_reply(b"/a/", TERMS)
    assert (reply.status, reply.body) == (301, ())
    assert b"\r\nLocation: /a/\r\n" in reply.head
    assert b"\r\nContent-Length: 0\r\n" in reply.head


def test_a_file_takes_over_its_use() -> None:
    file = memory_file(b"abc")
    assert file_reply(file, (), TERMS).body == (FileSlice(file, 0, 3),)
    assert file.uses == 1


def test_an_empty_file_is_released_at_once() -> None:
    file = memory_file()
    assert file_reply(file, (), TERMS).body == ()
    assert file.uses == 0


def test_a_file_beyond_4_gib() -> None:
    reply = file_reply(memory_file(size=5 << 30), (), TERMS)
    assert b"\r\nContent-Length: 5368709120\r\n" in reply.head
    assert reply.body_bytes == 5 << 30


def test_what_a_reply_says_goes_before_what_all_say() -> None:
    general = ((b"X-A", b"all"), (b"content-type", b"all"), (b"Vary", b"Origin"))
    terms = ReplyTerms(TERMS.now_s, b"", close=False, fields=general)
    reply = make_reply(200, terms, ((b"Content-Type", b"own"), (b"Vary", b"Accept-Encoding")))
    lines = reply.head.split(b"\r\n")[2:-3]
    assert lines == [b"Content-Type: own", b"Vary: Accept-Encoding", b"X-A: all", b"Vary: Origin"]


def test_without_a_request_there_are_still_terms() -> None:
    assert ReplyTerms.of(None, TERMS.now_s, b"x", fields=((b"X-A", b"1"),)).fields == ((b"X-A", b"1"),)
