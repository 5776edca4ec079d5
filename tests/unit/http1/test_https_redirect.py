from __future__ import annotations

import pytest

from ktlsserve.http1.head import parse_head
from ktlsserve.http1.https_redirect import HttpsRedirect
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import HeadLimits, Request
from tests.support.memory_site import MemoryFiles, memory_site
from tests.support.site_tree import NOW_S

NAMES = frozenset({b"a.example", b"*.a.example"})
TOKEN = b".well-known/acme-challenge/token"


def request(line: str = "GET / HTTP/1.1", *fields: str, host: str | None = "a.example") -> Request:
    lines = [line, *([] if host is None else [f"Host: {host}"]), *fields, "", ""]
    return parse_head("\r\n".join(lines).encode("latin-1"), HeadLimits())


def location(reply: Reply) -> bytes | None:
    lines = [line for line in reply.head.split(b"\r\n") if line.startswith(b"Location: ")]
    return lines[0].removeprefix(b"Location: ") if lines else None


@pytest.mark.parametrize(
    ("redirect", "host", "target", "expected"),
    [
        (HttpsRedirect(), "a.example", "/", b"https://a.example/"),
        (HttpsRedirect(), "a.example:80", "/x/y?z=1", b"https://a.example/x/y?z=1"),
        (HttpsRedirect(port=8443), "A.example:8080", "/", b"https://a.example:8443/"),
        (HttpsRedirect(port=8443), "[::1]:80", "/", b"https://[::1]:8443/"),
        (HttpsRedirect(host=b"b.example:444"), "a.example", "/x", b"https://b.example:444/x"),
        (HttpsRedirect(names=NAMES), "x.a.example", "//evil.example/", b"https://x.a.example//evil.example/"),
        (HttpsRedirect(), "a.example", "/\\evil.example", b"https://a.example/\\evil.example"),
        (HttpsRedirect(), "ignored", "http://a.example:80/x", b"https://a.example/x"),
        (HttpsRedirect(), "ignored", "http://a.example?x", b"https://a.example/?x"),
        (HttpsRedirect(), "ignored", "http://a.example", b"https://a.example/"),
    ],
)
def test_where_it_leads(redirect: HttpsRedirect, host: str, target: str, expected: bytes) -> None:
    reply = redirect.answer(request(f"GET {target} HTTP/1.1", host=host), NOW_S)
    assert (reply.status, location(reply), reply.close) == (308, expected, False)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "DELETE", "BREW"])
def test_every_method_is_sent_on(method: str) -> None:
    reply = HttpsRedirect(status=307).answer(request(f"{method} /x HTTP/1.1"), NOW_S)
    assert (reply.status, location(reply)) == (307, b"https://a.example/x")


def test_a_body_ends_the_connection() -> None:
    reply = HttpsRedirect().answer(request("POST / HTTP/1.1", "Content-Length: 5"), NOW_S)
    assert (reply.status, reply.close) == (308, True)


@pytest.mark.parametrize("host", ["evil.example", "x.y.a.example"])
def test_a_host_that_is_not_ours_is_refused(host: str) -> None:
    reply = HttpsRedirect(names=NAMES).answer(request(host=host), NOW_S)
    assert (reply.status, location(reply)) == (421, None)


@pytest.mark.parametrize("line", ["OPTIONS * HTTP/1.1", "CONNECT a.example:443 HTTP/1.1", "GET x HTTP/1.1"])
def test_what_names_nothing_is_refused(line: str) -> None:
    reply = HttpsRedirect().answer(request(line), NOW_S)
    assert (reply.status, location(reply)) == (400, None)


def test_without_a_host_only_a_fixed_one_helps() -> None:
    old = request("GET /x HTTP/1.0", host=None)
    assert HttpsRedirect().answer(old, NOW_S).status == 400
    assert location(HttpsRedirect(host=b"b.example").answer(old, NOW_S)) == b"https://b.example/x"


def test_challenges_are_served_and_nothing_else_of_their_folder() -> None:
    files = MemoryFiles({TOKEN: b"proof", b"other": b"x"})
    redirect = HttpsRedirect(names=NAMES, challenges=memory_site(files=files))
    reply = redirect.answer(request(f"GET /{TOKEN.decode()} HTTP/1.1", host="anything"), NOW_S)
    assert (reply.status, reply.body_bytes) == (200, 5)
    assert redirect.answer(request("GET /.well-known/acme-challenge/no HTTP/1.1"), NOW_S).status == 404
    assert redirect.answer(request("GET /.well-known/acme-challenge/../../other HTTP/1.1"), NOW_S).status == 400
    assert redirect.answer(request("GET /other HTTP/1.1"), NOW_S).status == 308


def test_a_change_reaches_the_site_of_the_challenges() -> None:
    site, other = memory_site(), memory_site(server=b"other")
    assert HttpsRedirect(challenges=site).map(lambda _: other).challenges is other
    assert HttpsRedirect().map(lambda _: other).challenges is None
