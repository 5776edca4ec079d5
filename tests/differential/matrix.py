"""The requests: methods, targets, ranges, preconditions and codings, each crossed with what it may depend on.

A request is written with placeholders for what a server itself has named before: ``<TAG>`` is the entity-tag of the
target as it is, ``<GZIP>`` that of its compressed sibling. Times are fixed: that of every file is ``AT``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.differential.tree import MARKS, SPARSE_BYTES

AT = "Tue, 14 Nov 2023 22:13:20 GMT"
BEFORE = "Tue, 14 Nov 2023 22:13:19 GMT"
AFTER = "Tue, 14 Nov 2023 22:13:21 GMT"


@dataclass(frozen=True)
class Probe:
    """One request; ``fields`` are whole header lines, ``version`` is that of HTTP."""

    method: str
    target: str
    fields: tuple[str, ...] = ()
    version: str = "1.1"

    def __str__(self) -> str:
        version = "" if self.version == "1.1" else f" HTTP/{self.version}"
        return " | ".join([f"{self.method} {self.target}{version}", *self.fields])


METHODS = (
    "GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "MKCOL", "QUERY", "BREW", "get",
)  # fmt: skip

RESOURCES = (
    "/digits.txt", "/empty.txt", "/app.js", "/", "/docs/", "/docs", "/noindex/", "/missing", "/escape", "/fifo",
)  # fmt: skip

TARGETS = (
    "/", "/hello.txt", "/empty.txt", "/noextension", "/style.css", "/app.js", "/app.js.gz", "/only-gz.txt",
    "/orphan.txt", "/orphan.txt.gz", "/stale.txt", "/fresh.txt", "/linked.txt", "/inside", "/escape", "/loop",
    "/fifo", "/fifo/x", "/folder-link", "/folder-link/", "/folder-link/guide.html", "/out", "/out/", "/docs",
    "/docs/", "/docs/index.html", "/docs/guide.html", "/docs/deep/er/page.html", "/docs/deep", "/docs/deep/",
    "/docs/missing", "/docs/guide.html/", "/docs/guide.html/x", "/noindex", "/noindex/", "/noindex/file.txt",
    "/indexdir/", "/missing", "/missing/", "/HELLO.TXT", "/index.html/", "/sub%20dir", "/sub%20dir/", "/sub%20d%69r",
    "/back%5cslash", "/with%20space.txt", "/with+space.txt", "/a+b.txt", "/50%25.txt", "/50%2525.txt",
    "/que%3Fry.txt", "/que%3fry.txt", "/semi;colon.txt", "/semi%3Bcolon.txt", "/gr%C3%BC%C3%9Fe.txt",
    "/latin-%e9.txt", "/h%65llo.txt", "/%68%65%6C%6c%6F%2Etxt", "/hello.txt?", "/hello.txt?a=b&c", "/hello.txt?a?b",
    "/?", "/docs?", "/docs?a=1&b=//evil.example/", "/docs?%0d%0aX:y", "/hello.txt?%zz", "/hello.txt?{|}^`",
    '/hello.txt?"', "//hello.txt", "///hello.txt", "//evil.example/docs", "//docs", "/docs//", "/docs//guide.html",
    "////", "/docs/.", "/docs/..", "/./hello.txt", "/docs/../hello.txt", "/docs/./guide.html", "/../hello.txt",
    "/docs/../../hello.txt", "/..", "/.", "/%2e%2e/hello.txt", "/docs/%2e%2e/hello.txt", "/docs/.%2e/hello.txt",
    "/%2e/hello.txt", "/docs%2fguide.html", "/docs%2Fguide.html", "/..%2fhello.txt", "/docs/..%2fhello.txt",
    "/%2fhello.txt", "/docs%2f", "/hello.txt%00", "/hello.txt%00.html", "/%00", "/hello.txt%0a", "/docs%0d%0aX:%20y",
    "/a%7f", "/hello.txt%20", "/50%.txt", "/a%2", "/a%", "/a%zz", "/a%+1", "/a%u0041", "/docs\\guide.html",
    "/..\\hello.txt", "/\\evil.example/", "/hello.txt#top", "/hello.txt?a#top", "/#", "/.hidden", "/.git/config",
    "/.git", "/.git/", "/%2egit/config", "/docs/.htpasswd", "/.well-known", "/.well-known/",
    "/.well-known/security.txt", "/.well-known/.hidden", "/docs/.well-known/x.txt", "/...", "/.../x", "/a:b", "/~",
    "/hello.txt|", "/hello.txt^", "/{hello.txt}", "/hello.txt`", '/"hello.txt"', "/<hello.txt>", "/[hello.txt]",
    "/" + "a" * 300, "/a" * 300, "http://localhost/hello.txt", "http://localhost", "http://localhost/",
    "http://localhost?a", "http://localhost/docs", "HTTP://localhost/hello.txt", "https://localhost/hello.txt",
    "http://other.example:81/hello.txt", "http://other.example/docs", "http://user@localhost/hello.txt",
    "http:///hello.txt", "http://[::1]/hello.txt", "http://lo_cal.host/hello.txt", "ftp://localhost/hello.txt",
    "x-y.z+1://localhost/hello.txt", "http:/hello.txt", "http://localhost:/hello.txt", "http://localhost:x/hello.txt",
    "http://local%68ost/hello.txt",
)  # fmt: skip

RANGES_WELL_FORMED = (
    "bytes=0-0", "bytes=0-", "bytes=0-9", "bytes=3-6", "bytes=9-9", "bytes=5-100", "bytes=-1", "bytes=-3",
    "bytes=-10", "bytes=-11", "bytes=-0", "bytes=10-", "bytes=10-20", "bytes=99-", "bytes=00003-00004",
    "bytes=18446744073709551616-", "bytes=0-18446744073709551616", "bytes=9223372036854775807-",
    "bytes=0-9223372036854775807", "bytes=-9223372036854775808", "bytes=9-99999999999999999999999999", "Bytes=0-0",
    "BYTES=2-3", "bytes=0-0,9-9", "bytes=0-1,4-5,8-", "bytes=-1,0-0", "bytes=8-9,0-1", "bytes=0-1,2-3",
    "bytes=2-3,0-1", "bytes=0-5,3-9", "bytes=3-9,0-5", "bytes=0-9,0-9", "bytes=0-,-1", "bytes=0-0,0-0,0-0",
    "bytes=4-5,20-30", "bytes=20-30,4-5", "bytes=20-30,40-", "bytes=-0,0-0", "bytes=10-,-0", "bytes=0-0,",
    "bytes=,0-0", "bytes=0-0,,2-2", "bytes=0-0, 2-2", "bytes=0-0 ,2-2", "bytes=0-0\t,\t2-2", "bytes= 0-0",
)  # fmt: skip
RANGES_MALFORMED = (
    "", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1", "0-1", "bytes 0-1",
    "bytes=+1-2", "bytes=1.0-2", "bytes=0x1-0x2", "bytes=0-1,x", "bytes=x,0-1", "bytes=--1", "bytes=1--2",
    "bytes=0 - 1", "bytes=0- 1", "bytes=0-1;q=1", "bytes=0-1 2-3", "bytes =0-1", "bytes=0-1,5-2", "bytes:0-1",
    "lines=0-1", "none", "items=0-0",
)  # fmt: skip
RANGES_ABUSIVE = (
    "bytes=" + ",".join(["0-0"] * 50),
    "bytes=" + ",".join(["0-0"] * 51),
    "bytes=" + ",".join(["0-"] * 40),
    "bytes=" + ",".join(["0-"] * 1000),
    "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 100, 2)),
    "bytes=" + ",".join(f"{at}-{at}" for at in range(0, 102, 2)),
    "bytes=" + ",".join(f"{at}-{at}" for at in range(98, -1, -2)),
    "bytes=" + ",".join(f"{at}-" for at in range(40)),
)
RANGES_SPARSE = (
    *(f"bytes={offset}-{offset + 3}" for offset in MARKS),
    *(f"bytes={offset - 2}-{offset + 5}" for offset in MARKS[1:]),
    "bytes=-4", "bytes=-1", f"bytes={SPARSE_BYTES - 1}-", f"bytes={SPARSE_BYTES - 4}-{SPARSE_BYTES * 2}",
    f"bytes={SPARSE_BYTES}-", f"bytes={(2 << 30) - 2}-{(2 << 30) + 1}",
    f"bytes=0-3,{MARKS[1]}-{MARKS[1] + 3},-4", f"bytes={MARKS[2]}-{MARKS[2] + 1},0-1",
    f"bytes={SPARSE_BYTES + 1}-,0-0",
)  # fmt: skip

DATES = (
    AT, BEFORE, AFTER, "Tuesday, 14-Nov-23 22:13:20 GMT", "Tue Nov 14 22:13:20 2023", "Tuesday, 14-Nov-23 22:13:19 GMT",
    "Tue Nov 14 22:13:19 2023", "Mon, 14 Nov 2023 22:13:20 GMT", "Fri, 31 Dec 2100 23:59:59 GMT",
    "Thu, 01 Jan 1970 00:00:00 GMT", "Wed, 31 Dec 1969 23:59:59 GMT", "", "1700000000", "tomorrow",
    "Tue, 14 Nov 2023 22:13:20 +0000", "Tue, 14 Nov 2023 22:13:20", "Tue, 14 Nov 2023 22:13:20 UTC",
    "tue, 14 nov 2023 22:13:20 gmt", "Tue, 14 Nov 2023 22:13:20 GMT ", "Tue, 14 Nov 2023  22:13:20 GMT",
    "Tue, 14 Nov 2023 24:13:20 GMT", "Tue, 30 Feb 2023 22:13:20 GMT", "Tue, 14 Nov 23 22:13:20 GMT", "14 Nov 2023",
    f"{AT}, {AT}",
)  # fmt: skip
TAGS = (
    "<TAG>", "W/<TAG>", "*", '"other"', 'W/"other"', '"a", <TAG>', '<TAG>, "b"', '"a", W/<TAG>, "b"', '"a,b",<TAG>',
    ",, <TAG> ,", '"a"\t,\t<TAG>', "<TAG>x", '"a" <TAG>', '"open', '"', "", "unquoted", "* , <TAG>", '"*"', "w/<TAG>",
    "<GZIP>", "<TAG>, <GZIP>",
)  # fmt: skip
HOLDING = {"If-Match": "<TAG>", "If-Unmodified-Since": AT, "If-None-Match": '"other"', "If-Modified-Since": BEFORE}
FAILING = {"If-Match": '"other"', "If-Unmodified-Since": BEFORE, "If-None-Match": "<TAG>", "If-Modified-Since": AT}

CODINGS = (
    "", "gzip", "GZIP", "x-gzip", "identity", "*", "br", "deflate", "gzip, br", "br, gzip", "deflate, gzip;q=0.5, br",
    "gzip;q=1", "gzip;q=1.0", "gzip;q=1.000", "gzip;q=0.001", "gzip;q=0.5", "gzip;q=0", "gzip;q=0.0", "gzip;q=0.000",
    "gzip; q=0", "gzip ;q=0", "gzip;Q=0", "gzip;q=0, *", "*;q=0", "*;q=0.5", "identity;q=0", "identity;q=0, gzip",
    "identity;q=0, *;q=0", "identity, gzip;q=0.5", "identity;q=0.5, gzip;q=1", "identity;q=0.5, gzip;q=0.5",
    "gzip;q=2", "gzip;q=-1", "gzip;q=x", "gzip;q=", "gzip;x=y", "gzip;q=0.0001", "gzipped", "xgzip", "gzip-x",
    ",gzip", "gzip,,br", "gzip\t,\tbr", "unknown", "compress, gzip", "gzip gzip",
)  # fmt: skip


def probes() -> Iterator[Probe]:
    """Yield every request once."""
    return iter(dict.fromkeys(_all()))


def _all() -> Iterator[Probe]:
    yield from _methods()
    yield from _ranges()
    yield from _preconditions()
    yield from _codings()


def _methods() -> Iterator[Probe]:
    for method, target in product(METHODS, RESOURCES):
        yield Probe(method, target)
        yield Probe(method, target, ("Content-Length: 0",))
    for method, target in product(("GET", "HEAD"), TARGETS):
        yield Probe(method, target)
    for target, connection in product(RESOURCES, ("close", "keep-alive", "Keep-Alive, x", "x", "upgrade")):
        yield Probe("GET", target, (f"Connection: {connection}",))
        yield Probe("GET", target, (f"Connection: {connection}",), "1.0")
    for version, target in product(("1.0", "1.2"), RESOURCES):
        yield Probe("GET", target, version=version)
        yield Probe("HEAD", target, version=version)


def _ranges() -> Iterator[Probe]:
    plain = ("/digits.txt", "/docs/", "/empty.txt", "/missing", "/docs")
    for target, value in product(plain, (*RANGES_WELL_FORMED, *RANGES_MALFORMED)):
        yield Probe("GET", target, (f"Range: {value}",))
    for value in (*RANGES_WELL_FORMED, *RANGES_MALFORMED):
        yield Probe("HEAD", "/digits.txt", (f"Range: {value}",))
        yield Probe("GET", "/digits.txt", (f"Range: {value}",), "1.0")
        yield Probe("GET", "/app.js", (f"Range: {value}", "Accept-Encoding: gzip"))
    for target, value in product(("/digits.txt", "/big.bin"), RANGES_ABUSIVE):
        yield Probe("GET", target, (f"Range: {value}",))
    for method, value in product(("GET", "HEAD"), RANGES_SPARSE):
        yield Probe(method, "/sparse.bin", (f"Range: {value}",))
    yield Probe("HEAD", "/sparse.bin")
    yield Probe("GET", "/digits.txt", ("Range: bytes=0-1", "Range: bytes=4-5"))
    if_ranges = (*TAGS, *DATES)
    for value, if_range in product(("bytes=0-1", "bytes=99-", "bytes=0-0,9-9", "lines=0-1"), if_ranges):
        yield Probe("GET", "/digits.txt", (f"Range: {value}", f"If-Range: {if_range}"))
        yield Probe("GET", "/app.js", (f"Range: {value}", f"If-Range: {if_range}", "Accept-Encoding: gzip"))
    yield Probe("GET", "/digits.txt", ("If-Range: <TAG>",))


def _preconditions() -> Iterator[Probe]:
    fields = [f"{name}: {value}" for name in ("If-Match", "If-None-Match") for value in TAGS]
    fields += [f"{name}: {value}" for name in ("If-Modified-Since", "If-Unmodified-Since") for value in DATES]
    for field, target in product(fields, ("/digits.txt", "/docs/", "/app.js", "/missing", "/docs", "/empty.txt")):
        yield Probe("GET", target, (field,))
    for field in fields:
        yield Probe("HEAD", "/digits.txt", (field,))
        yield Probe("GET", "/app.js", (field, "Accept-Encoding: gzip"))
        yield Probe("GET", "/digits.txt", (field, "Range: bytes=0-1"))
        yield Probe("GET", "/digits.txt", (field,), "1.0")
        yield Probe("POST", "/digits.txt", (field, "Content-Length: 0"))
    states = [(None, HOLDING, FAILING)] * 4
    together = [
        tuple(f"{name}: {state[name]}" for name, state in zip(HOLDING, chosen, strict=True) if state is not None)
        for chosen in product(*states)
    ]
    ranges: tuple[tuple[str, ...], ...] = (
        (), ("Range: bytes=0-1",), ("Range: bytes=99-",), ("Range: bytes=0-1", "If-Range: <TAG>"),
        ("Range: bytes=0-1", 'If-Range: "other"'), ("Range: bytes=0-1", f"If-Range: {AT}"),
        ("Range: bytes=0-1", f"If-Range: {BEFORE}"),
    )  # fmt: skip
    for preconditions, more in product(together, ranges):
        yield Probe("GET", "/digits.txt", (*preconditions, *more))
    for preconditions in together:
        yield Probe("HEAD", "/digits.txt", preconditions)
        yield Probe("GET", "/docs/", preconditions)


def _codings() -> Iterator[Probe]:
    targets = ("/app.js", "/only-gz.txt", "/digits.txt", "/docs/", "/missing", "/docs", "/stale.txt", "/fresh.txt")
    for target, value in product((*targets, "/linked.txt"), CODINGS):
        yield Probe("GET", target, (f"Accept-Encoding: {value}",))
    for value in CODINGS:
        yield Probe("HEAD", "/app.js", (f"Accept-Encoding: {value}",))
        yield Probe("GET", "/app.js", (f"Accept-Encoding: {value}",), "1.0")
    yield Probe("GET", "/app.js", ("Accept-Encoding: br", "Accept-Encoding: gzip"))
    yield Probe("GET", "/app.js", ("Accept-Encoding: gzip", "Via: 1.1 proxy"))
    more = (
        (), ("Range: bytes=0-1",), ("Range: bytes=99-",), ("Range: bytes=1-2,4-5",), ("If-None-Match: <TAG>",),
        ("If-None-Match: <GZIP>",), ("If-Match: <GZIP>",), (f"If-Modified-Since: {AT}",),
        (f"If-Unmodified-Since: {BEFORE}",), ("Range: bytes=0-1", "If-Range: <GZIP>"),
        ("Range: bytes=0-1", "If-Range: <TAG>"), ("If-None-Match: <GZIP>", "Range: bytes=0-1"),
    )  # fmt: skip
    values = ("gzip", "identity", "identity;q=0, gzip", "*;q=0", "br", "gzip;q=0.5, br;q=1")
    for method, target, value, fields in product(
        ("GET", "HEAD"), ("/app.js", "/only-gz.txt", "/hello.txt"), values, more
    ):
        yield Probe(method, target, (f"Accept-Encoding: {value}", *fields))
