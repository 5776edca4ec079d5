from __future__ import annotations

import pytest

from ktlsserve.http1.readiness import with_readiness
from ktlsserve.http1.reply import Reply, error_reply
from ktlsserve.http1.request import Request

NOW_S = 784111777


def site(request: Request, now_s: int) -> Reply:
    return error_reply(403, request, now_s)


def request(method: bytes, target: bytes, *, keep_alive: bool = True) -> Request:
    return Request(method, target, b"1.1", ((b"host", b"nobody knows"),), keep_alive)


@pytest.mark.parametrize(("ready", "status", "text"), [(True, 200, b"ready\n"), (False, 404, b"stopping\n")])
def test_it_says_whether_to_send_requests(ready: bool, status: int, text: bytes) -> None:
    answer = with_readiness(b"/readyz", lambda: ready, site, b"x")
    reply = answer(request(b"GET", b"/readyz"), NOW_S)
    assert (reply.status, reply.body, reply.close) == (status, (text,), False)
    for line in (b"Cache-Control: no-store", b"Server: x", b"Content-Length: %d" % len(text)):
        assert line + b"\r\n" in reply.head
    reply = answer(request(b"HEAD", b"/readyz?whatever", keep_alive=False), NOW_S)
    assert (reply.status, reply.body, reply.close) == (status, (), True)
    assert b"Content-Length: %d\r\n" % len(text) in reply.head


@pytest.mark.parametrize(
    ("method", "target"),
    [(b"GET", b"/readyz/"), (b"GET", b"/"), (b"GET", b"/READYZ"), (b"POST", b"/readyz"), (b"GET", b"*")],
)
def test_all_else_is_the_sites(method: bytes, target: bytes) -> None:
    answer = with_readiness(b"/readyz", lambda: True, site)
    assert answer(request(method, target), NOW_S).status == 403


def test_it_is_asked_anew_each_time() -> None:
    states = [True, False]
    answer = with_readiness(b"/r", lambda: states.pop(0), site)
    assert [answer(request(b"GET", b"/r"), NOW_S).status for _ in range(2)] == [200, 404]
