"""What the corpus can't see: uses of files, site settings, determinism. The corpus covers the rest of answer()."""

from __future__ import annotations

import pytest

from ktlsserve.http1.answer import Site, answer
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.reply import FileSlice, Reply
from ktlsserve.http1.request import HeadLimits, Request
from tests.support.memory_site import MemoryFiles, SmallTypes, memory_site
from tests.support.site_tree import MTIME_S, NOW_S


def request(target: str = "/", *fields: str, method: str = "GET", version: str = "1.1") -> Request:
    lines = [f"{method} {target} HTTP/{version}", "Host: localhost", *fields, "", ""]
    return parse_head("\r\n".join(lines).encode("latin-1"), HeadLimits())


def field(reply: Reply, name: bytes) -> bytes | None:
    for line in reply.head.split(b"\r\n"):
        if line.startswith(name + b": "):
            return line[len(name) + 2 :]
    return None


def test_a_get_owns_one_use_of_its_file() -> None:
    files = MemoryFiles()
    reply = answer(request("/hello.txt"), memory_site(files=files), NOW_S)
    assert reply.body == (FileSlice(files.opened[0], 0, 13),)
    assert files.uses() == 1


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("HEAD", "/hello.txt"),
        ("GET", "/empty.txt"),
        ("GET", "/docs"),
        ("GET", "/indexdir/"),
        ("GET", "/noindex/"),
        ("GET", "/missing"),
        ("OPTIONS", "/hello.txt"),
        ("POST", "/hello.txt"),
    ],
)
def test_replies_without_a_file_leave_none_in_use(method: str, target: str) -> None:
    files = MemoryFiles()
    assert answer(request(target, method=method), memory_site(files=files), NOW_S).body_bytes < 100
    assert files.uses() == 0


@pytest.mark.parametrize("status", [403, 404])
def test_what_the_opener_refuses_is_answered_so(status: int) -> None:
    files = MemoryFiles(refuse={b"hello.txt": status})
    reply = answer(request("/hello.txt"), memory_site(files=files), NOW_S)
    assert (reply.status, reply.close) == (status, False)


def test_running_out_of_descriptors_closes() -> None:
    reply = answer(request("/hello.txt"), memory_site(files=MemoryFiles(refuse={b"hello.txt": 503})), NOW_S)
    assert (reply.status, reply.close) == (503, True)


def test_an_index_that_is_refused_is_not_skipped() -> None:
    site = memory_site(files=MemoryFiles(refuse={b"a.html": 403}), index_names=(b"a.html", b"index.html"))
    assert answer(request(), site, NOW_S).status == 403


def test_index_names_are_tried_in_order() -> None:
    site = memory_site(index_names=(b"missing.html", b"guide.html", b"index.html"))
    assert field(answer(request("/docs/"), site, NOW_S), b"Content-Length") == b"9"
    assert field(answer(request("/"), site, NOW_S), b"Content-Length") == b"42"


def test_without_index_names_a_folder_has_nothing() -> None:
    assert answer(request(), memory_site(index_names=()), NOW_S).status == 404


def test_the_server_field_is_the_sites() -> None:
    for target in ("/hello.txt", "/missing", "/docs"):
        assert field(answer(request(target), memory_site(server=b"x/1"), NOW_S), b"Server") == b"x/1"
        assert field(answer(request(target), memory_site(server=b""), NOW_S), b"Server") is None


def test_the_body_limit_is_the_sites() -> None:
    site = memory_site(body_bytes=10)
    fits = answer(request("/hello.txt", "Content-Length: 10"), site, NOW_S)
    assert (fits.status, fits.close) == (200, False)
    too_long = answer(request("/hello.txt", "Content-Length: 11"), site, NOW_S)
    assert (too_long.status, too_long.close) == (413, True)


def test_last_modified_is_never_later_than_the_date() -> None:
    reply = answer(request("/hello.txt"), memory_site(), MTIME_S - 10)
    assert field(reply, b"Last-Modified") == field(reply, b"Date") == b"Tue, 14 Nov 2023 22:13:10 GMT"


def test_the_same_question_has_the_same_answer() -> None:
    def ask(now_s: int) -> Reply:
        return answer(request("/hello.txt"), memory_site(), now_s)

    assert ask(NOW_S) == ask(NOW_S)
    assert ask(NOW_S).with_date(NOW_S + 1) == ask(NOW_S + 1)


@pytest.mark.parametrize(
    ("fields", "status", "uses"),
    [
        (["Range: bytes=0-0"], 206, 1),
        (["Range: bytes=0-0,2-3,5-5"], 206, 3),
        (["Range: bytes=99-"], 416, 0),
        (["If-None-Match: *"], 304, 0),
        (["If-Match: x"], 412, 0),
    ],
)
def test_every_slice_owns_a_use_and_nothing_else_does(fields: list[str], status: int, uses: int) -> None:
    files = MemoryFiles()
    reply = answer(request("/hello.txt", *fields), memory_site(files=files), NOW_S)
    assert (reply.status, files.uses()) == (status, uses)
    reply.release()
    assert files.uses() == 0


def test_a_sibling_that_fails_to_open_leaves_no_file_in_use() -> None:
    files = MemoryFiles(refuse={b"app.js.br": 503})
    site = memory_site(files=files, precompressed=(b"br",))
    assert answer(request("/app.js", "Accept-Encoding: br"), site, NOW_S).status == 503
    assert files.uses() == 0


def test_siblings_are_not_looked_for_unless_the_site_says_so() -> None:
    files = MemoryFiles()
    reply = answer(request("/app.js", "Accept-Encoding: br"), memory_site(files=files), NOW_S)
    assert len(files.opened) == 1
    assert field(reply, b"Vary") is None


def test_a_range_of_a_sibling_is_one_of_its_own_bytes() -> None:
    site = memory_site(precompressed=(b"br",))
    reply = answer(request("/app.js", "Accept-Encoding: br", "Range: bytes=-3"), site, NOW_S)
    assert field(reply, b"Content-Range") == b"bytes 14-16/17"
    assert field(reply, b"Content-Encoding") == b"br"


def test_closing_is_said_with_every_status() -> None:
    for fields in (["Range: bytes=99-"], ["If-Match: x"], ["If-None-Match: *"], ["Range: bytes=0-0,2-2"]):
        reply = answer(request("/hello.txt", "Connection: close", *fields), memory_site(), NOW_S)
        assert (reply.close, field(reply, b"Connection")) == (True, b"close")
        reply.release()


@pytest.mark.parametrize("extra", ["Range: bytes=99-", "If-Match: x", "If-None-Match: *", "Range: bytes=0-0", "X: y"])
def test_a_body_that_may_or_may_not_come_closes_whatever_the_status(extra: str) -> None:
    reply = answer(request("/hello.txt", "Content-Length: 5", "Expect: 100-continue", extra), memory_site(), NOW_S)
    assert (reply.close, field(reply, b"Connection")) == (True, b"close")
    reply.release()


def test_a_site_needs_only_files_and_types() -> None:
    site = Site(MemoryFiles(), SmallTypes())
    assert answer(request("/hello.txt"), site, NOW_S).status == 200
