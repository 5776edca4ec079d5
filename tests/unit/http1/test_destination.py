from __future__ import annotations

import pytest

from ktlsserve.http1.destination import canonical_path, parse_redirect, parse_rewrite
from ktlsserve.http1.glob import Glob
from ktlsserve.http1.request import Request
from ktlsserve.http1.target import Target, resolve_target


def target(raw: bytes) -> Target:
    return resolve_target(Request(b"GET", raw, b"1.1", (), keep_alive=True))


@pytest.mark.parametrize(
    ("raw", "path"),
    [(b"/", "/"), (b"/a", "/a"), (b"/a/", "/a/"), (b"/a%20b", "/a b"), (b"/%E9", "/\udce9"), (b"http://h", "/")],
)
def test_patterns_see_the_decoded_path(raw: bytes, path: str) -> None:
    assert canonical_path(target(raw)) == path


@pytest.mark.parametrize(
    ("text", "pattern", "raw", "location"),
    [
        ("/new", "/**", b"/old", b"/new"),
        ("/new", "/**", b"/old?a=1", b"/new?a=1"),
        ("/new?b=2", "/**", b"/old?a=1", b"/new?b=2"),
        ("/new#part", "/**", b"/old?a=1", b"/new#part"),
        ("/{path}", "/**", b"/a%20b/", b"/a%20b/"),
        ("/v2/{path}", "/**", b"/", b"/v2/"),
        ("/new/{rest}", "/old/**", b"/old/a/b?c", b"/new/a/b?c"),
        ("/new/{rest}", "/old/**", b"/old", b"/new/"),
        ("https://other.example/{path}", "/**", b"/%5Cevil", b"https://other.example/%5Cevil"),
        ("https://other.example:8443/", "/**", b"/x", b"https://other.example:8443/"),
        ("/{path}", "/**", b"/%E9%22%3C", b"/%E9%22%3C"),
    ],
)
def test_where_a_redirect_leads(text: str, pattern: str, raw: bytes, location: bytes) -> None:
    assert parse_redirect(text).location(target(raw), Glob(pattern)) == location


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "one slash"),
        ("new", "one slash"),
        ("//evil.example/", "one slash"),
        ("{path}", "behind a slash"),
        ("https://{path}", "one slash, or https://HOST/"),
        ("https:///x", "no valid host"),
        ("https://a@b/", "no valid host"),
        ("https://host", "one slash, or https://HOST/"),
        ("javascript:alert(1)", "one slash"),
        ("/a{path}", "behind a slash"),
        ("/{path}/b", "behind a slash"),
        ("/{host}", "behind a slash"),
        ("/?q=/{path}", "part of the path"),
        ("/\\evil", "RFC 3986"),
        ("/a b", "RFC 3986"),
        ("/a\r\nSet-Cookie: x", "RFC 3986"),
        ("/ü", "RFC 3986"),
        ("/%zz", "RFC 3986"),
    ],
)
def test_what_is_no_redirect(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_redirect(text)


@pytest.mark.parametrize(
    ("text", "pattern", "raw", "path", "directory"),
    [
        ("/x.html", "/**", b"/a", b"x.html", False),
        ("/x/", "/**", b"/a", b"x", True),
        ("/", "/**", b"/a", b"", True),
        ("/v2/{path}", "/**", b"/a/b", b"v2/a/b", False),
        ("/v2/{path}", "/**", b"/a/", b"v2/a", True),
        ("/v2/{path}", "/**", b"/", b"v2", True),
        ("/{rest}", "/v1/**", b"/v1/%E9", b"\xe9", False),
        ("/{rest}", "/v1/**", b"/v1", b"", True),
    ],
)
def test_what_a_rewrite_looks_for(text: str, pattern: str, raw: bytes, path: bytes, directory: bool) -> None:
    rewritten = parse_rewrite(text).rewritten(target(raw + b"?q"), Glob(pattern))
    assert (rewritten.path, rewritten.directory, rewritten.query) == (path, directory, b"q")


@pytest.mark.parametrize("text", ["", "x", "//", "/a//b", "/../x", "/.git", "/a\n", "https://host/"])
def test_what_is_no_rewrite(text: str) -> None:
    with pytest.raises(ValueError, match="must be a path"):
        parse_rewrite(text)
