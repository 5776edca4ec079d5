"""A site with rules, asked over the whole pipeline: request lines in, statuses and fields out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from ktlsserve.http1.answer import answer
from ktlsserve.http1.cors import Cors
from ktlsserve.http1.destination import parse_redirect, parse_rewrite
from ktlsserve.http1.glob import Glob
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.presets import IMMUTABLE, STRICT
from ktlsserve.http1.reply import FileSlice, Reply, fields_over
from ktlsserve.http1.request import HeadLimits
from ktlsserve.http1.rules import Rule
from tests.support.memory_site import MemoryFiles, memory_file, memory_site, read_memory_slice
from tests.support.site_tree import FILES, NOW_S

HOME = FILES[b"index.html"]
DOCS = FILES[b"docs/index.html"]
GUIDE = FILES[b"docs/guide.html"]
HELLO = FILES[b"hello.txt"]
NOT_FOUND = b"<p>we have looked everywhere\n"
RANGE = b"<p>that is too far\n"
ETAG = memory_file(HELLO).etag.decode()

TREE = {**FILES, b"errors/404.html": NOT_FOUND, b"errors/empty.html": b"", b"errors/range.html": RANGE}


def rule(path: str, **settings: object) -> Rule:
    return Rule(Glob(path), **{"fields": STRICT, **settings})  # type: ignore[arg-type]


RULES = (
    rule("/hello.txt", cache_control=IMMUTABLE, fields=fields_over(((b"X-Frame-Options", b"SAMEORIGIN"),), STRICT)),
    rule("/noindex{,/**}", deny=True),
    rule("/old/**", redirect=parse_redirect("/docs/{rest}")),
    rule("/moved", redirect=parse_redirect("https://other.example/{path}"), redirect_status=302),
    rule("/latest/**", rewrite=parse_rewrite("/docs/{rest}")),
    rule("/alias", rewrite=parse_rewrite("/docs")),
    rule("/broken/**", rewrite=parse_rewrite("/nothing/{rest}"), fallback=b"index.html"),
    rule("/app/**", fallback=b"index.html", cache_control=b"no-cache"),
    rule("/lost/**", fallback=b"docs"),
    rule("/*.{bin,txt}", download=True),
    rule("/open/**", cors=Cors(frozenset({b"*"}))),
    rule("/docs/**", cors=Cors(frozenset({b"https://a.example"})), cache_control=b"max-age=60"),
)
PAGES = {
    404: b"errors/404.html",
    403: b"errors/missing.html",
    405: b"errors/empty.html",
    416: b"errors/range.html",
    501: b"docs",
}


@dataclass
class Ask:
    """One request and what its reply must be; ``None`` in ``fields`` is a field that must not be there."""

    line: str
    status: int
    body: bytes | None = None
    fields: dict[str, str | None] = field(default_factory=dict)
    send: tuple[str, ...] = ()
    precompressed: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.line, *self.send))


IMMUTABLE_TEXT = IMMUTABLE.decode()
A_ORIGIN, PREFLIGHT = "Origin: https://a.example", "Access-Control-Request-Method: GET"
CASES = [
    # Fields.
    Ask("GET /hello.txt", 200, HELLO, {"Cache-Control": IMMUTABLE_TEXT, "X-Frame-Options": "SAMEORIGIN"}),
    Ask("HEAD /hello.txt", 200, b"", {"Cache-Control": IMMUTABLE_TEXT, "Content-Length": "13"}),
    Ask("GET /%68ello.txt", 200, HELLO, {"Cache-Control": IMMUTABLE_TEXT}),
    Ask("GET http://h/hello.txt", 200, HELLO, {"Cache-Control": IMMUTABLE_TEXT}),
    Ask("GET /hello.txt", 304, b"", {"Cache-Control": IMMUTABLE_TEXT}, (f"If-None-Match: {ETAG}",)),
    Ask("GET /hello.txt", 412, None, {"Cache-Control": None, "X-Frame-Options": "SAMEORIGIN"}, ('If-Match: "x"',)),
    Ask("GET /hello.txt", 206, HELLO[:1], {"Cache-Control": IMMUTABLE_TEXT}, ("Range: bytes=0-0",)),
    Ask("GET /hello.txt", 416, None, {"Cache-Control": None, "Content-Range": "bytes */13"}, ("Range: bytes=99-",)),
    Ask("GET /hello.txt/", 404, NOT_FOUND, {"Cache-Control": None}),
    Ask("GET /", 200, HOME, {"Cache-Control": None, "X-Frame-Options": "DENY"}),
    # Deny.
    Ask("GET /noindex", 403, b"403 Forbidden\n", {"X-Content-Type-Options": "nosniff"}),
    Ask("GET /noindex/", 403),
    Ask("GET /noindex/file.txt", 403),
    Ask("HEAD /noindex/nothing", 403, b""),
    Ask("GET /n%6findex/file.txt", 403),
    Ask("GET /noindex//file.txt", 404),
    Ask("GET /x/../noindex/file.txt", 400),
    Ask("POST /noindex/file.txt", 405, b"", {"Allow": "GET, HEAD, OPTIONS"}),
    # Redirect.
    Ask("GET /old/a/b?q=1", 308, b"", {"Location": "/docs/a/b?q=1", "X-Frame-Options": "DENY"}),
    Ask("GET /old", 308, b"", {"Location": "/docs/"}),
    Ask("GET /old/%5C%5Cevil.example/", 308, b"", {"Location": "/docs/%5C%5Cevil.example/"}),
    Ask("GET /old//evil.example", 404),
    Ask("HEAD /moved", 302, b"", {"Location": "https://other.example/moved"}),
    Ask("POST /moved", 405, b""),
    Ask("OPTIONS /moved", 204, b"", {"Location": None, "Allow": "GET, HEAD, OPTIONS"}),
    # Rewrite.
    Ask("GET /latest/guide.html", 200, GUIDE, {"Location": None}),
    Ask("GET /latest/", 200, DOCS),
    Ask("GET /latest", 200, DOCS),
    Ask("GET /alias", 200, DOCS, {"Location": None}),
    Ask("GET /latest/deep/er", 404, NOT_FOUND),
    Ask("GET /latest/missing", 404, NOT_FOUND),
    Ask("GET /broken/x", 200, HOME),
    # Fallback.
    Ask("GET /app/some/route?x", 200, HOME, {"Cache-Control": "no-cache", "Content-Type": "text/html; charset=utf-8"}),
    Ask("HEAD /app/", 200, b"", {"Content-Length": str(len(HOME))}),
    Ask("POST /app/x", 405, b""),
    Ask("GET /app/.hidden", 404, NOT_FOUND),
    Ask("GET /lost/x", 404, NOT_FOUND),
    # Download.
    Ask("GET /digits.txt", 200, b"0123456789", {"Content-Disposition": 'attachment; filename="digits.txt"'}),
    Ask("GET /with%20space.txt", 200, None, {"Content-Disposition": 'attachment; filename="with space.txt"'}),
    Ask("GET /none.txt", 404, NOT_FOUND, {"Content-Disposition": None}),
    Ask("GET /only-gz.txt", 200, b"gzipped text", {"Content-Disposition": 'attachment; filename="only-gz.txt"'},
        ("Accept-Encoding: gzip",), (b"gzip",)),
    # Cross-origin.
    Ask("GET /open/x", 404, NOT_FOUND, {"Access-Control-Allow-Origin": "*"}),
    Ask("GET /docs/", 200, DOCS, {"Vary": "Origin", "Access-Control-Allow-Origin": None}),
    Ask("GET /docs/guide.html", 200, GUIDE, {"Cache-Control": "max-age=60"}),
    Ask("GET /docs/", 200, DOCS, {"Vary": "Origin", "Access-Control-Allow-Origin": "https://a.example"}, (A_ORIGIN,)),
    Ask("GET /docs/", 200, DOCS, {"Vary": "Origin", "Access-Control-Allow-Origin": None}, ("Origin: null",)),
    Ask("GET /docs/", 200, DOCS, {"Vary": "Accept-Encoding|Origin"}, (A_ORIGIN,), (b"br",)),
    Ask("GET /docs", 301, b"", {"Access-Control-Allow-Origin": "https://a.example", "Location": "/docs/"}, (A_ORIGIN,)),
    Ask("OPTIONS /docs/", 204, b"", {"Access-Control-Allow-Methods": "GET, HEAD"}, (A_ORIGIN, PREFLIGHT)),
    Ask("OPTIONS /docs/", 204, b"", {"Access-Control-Allow-Methods": None}, ("Origin: null", PREFLIGHT)),
    Ask("OPTIONS /hello.txt", 204, b"", {"Access-Control-Allow-Methods": None}, (A_ORIGIN, PREFLIGHT)),
    Ask("OPTIONS *", 204, b"", {"Access-Control-Allow-Methods": None, "Vary": None}, (A_ORIGIN, PREFLIGHT)),
    # Error pages.
    Ask("GET /missing", 404, NOT_FOUND, {"Content-Type": "text/html; charset=utf-8", "ETag": None, "Vary": None}),
    Ask("HEAD /missing", 404, b"", {"Content-Length": str(len(NOT_FOUND))}),
    Ask("GET /missing", 404, NOT_FOUND, {"Content-Range": None}, ("Range: bytes=0-0",)),
    Ask("GET /.hidden", 404, NOT_FOUND),
    Ask("GET /app.js", 416, RANGE, {"Content-Type": "text/html; charset=utf-8", "Content-Range": "bytes */168"},
        ("Range: bytes=999-",)),
    Ask("BREW /", 501, b"501 Not Implemented\n"),
]  # fmt: skip


def ask(case: Ask) -> tuple[Reply, bytes]:
    """Return the reply and its body; all files must be given up by whoever has sent them."""
    files = MemoryFiles(TREE)
    site = memory_site(files=files, rules=RULES, fields=STRICT, error_pages=PAGES, precompressed=case.precompressed)
    head = "\r\n".join([f"{case.line} HTTP/1.1", "Host: localhost", *case.send, "", ""]).encode("latin-1")
    reply = answer(parse_head(head, HeadLimits()), site, NOW_S)
    body = b"".join(read_memory_slice(part) if isinstance(part, FileSlice) else part for part in reply.body)
    reply.release()
    assert files.uses() == 0
    return reply, body


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case: Ask) -> None:
    reply, body = ask(case)
    assert reply.status == case.status
    if case.body is not None:
        assert body == case.body
    lines = reply.head.decode("latin-1").split("\r\n")[1:-2]
    for name, value in case.fields.items():
        values = [line.partition(": ")[2] for line in lines if line.startswith(f"{name}: ")]
        assert values == ([] if value is None else value.split("|")), name


def test_each_reply_of_the_site_says_what_the_preset_says() -> None:
    for case in CASES:
        reply, _ = ask(case)
        for name, value in STRICT:
            if name != b"X-Frame-Options":
                assert reply.head.count(b"\r\n%b: %b\r\n" % (name, value)) == 1, case
        assert reply.head.count(b"\r\nX-Frame-Options: ") == 1


def test_running_out_of_descriptors_is_told_without_a_page() -> None:
    site = memory_site(
        files=MemoryFiles(TREE, refuse={b"hello.txt": 503, b"errors/404.html": 503}),
        error_pages={503: b"errors/404.html"},
    )
    head = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reply = answer(parse_head(head, HeadLimits()), site, NOW_S)
    assert (reply.status, reply.close, reply.body) == (503, True, (b"503 Service Unavailable\n",))
