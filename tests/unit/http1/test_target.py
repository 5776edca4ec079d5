from __future__ import annotations

import pytest

from ktlsserve.errors import RequestError
from ktlsserve.http1.request import Request
from ktlsserve.http1.target import Target, resolve_target


def resolve(target: bytes) -> Target:
    return resolve_target(Request(b"GET", target, b"1.1", (), keep_alive=True))


def refused(target: bytes) -> int:
    with pytest.raises(RequestError) as caught:
        resolve(target)
    assert not caught.value.fatal
    return caught.value.status


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"/", Target(b"", True, None, b"/")),
        (b"/?", Target(b"", True, b"", b"/")),
        (b"/a", Target(b"a", False, None, b"/a")),
        (b"/a/", Target(b"a", True, None, b"/a/")),
        (b"/a/b%20c?d=%2e/?e", Target(b"a/b c", False, b"d=%2e/?e", b"/a/b%20c")),
        (b"/%41%c3%BC", Target("Aü".encode(), False, None, b"/%41%c3%BC")),
        (b"/.well-known/x", Target(b".well-known/x", False, None, b"/.well-known/x")),
        (b"/%2ewell-known/", Target(b".well-known", True, None, b"/%2ewell-known/")),
        (b"/a...", Target(b"a...", False, None, b"/a...")),
        (b"http://h", Target(b"", True, None, b"/", b"h")),
        (b"http://h?q", Target(b"", True, b"q", b"/", b"h")),
        (b"HTTPS://h:1/a?q", Target(b"a", False, b"q", b"/a", b"h:1")),
        (b"https://[::1]:8443/", Target(b"", True, None, b"/", b"[::1]:8443")),
    ],
)
def test_resolves(target: bytes, expected: Target) -> None:
    assert resolve(target) == expected


@pytest.mark.parametrize(
    "target",
    [
        b"*",
        b"a",
        b"?q",
        b"h:443",
        b"ftp://h/",
        b"http:/a",
        b"http:///a",
        b"http://?q",
        b"http://u@h/",
        b"http://h:x/",
        b"/#f",
        b"/a?q#f",
        b"/%",
        b"/%4",
        b"/%4g",
        b"/a%/b",
        b"/%00",
        b"/%0a",
        b"/%1F",
        b"/%7f",
        b"/a%2fb",
        b"/a%2Fb",
        b"/.",
        b"/..",
        b"/./",
        b"/../",
        b"/a/../b",
        b"/%2e",
        b"/.%2E/x",
        b"/a\\b",
        b"/\\h",
    ],
)
def test_bad_requests(target: bytes) -> None:
    assert refused(target) == 400


@pytest.mark.parametrize(
    "target",
    [
        b"//",
        b"//h/a",
        b"/a//b",
        b"/a//",
        b"/.a",
        b"/.a/",
        b"/a/.b",
        b"/%2ea",
        b"/...",
        b"/.well-known/.a",
        b"/a/.well-known/b",
        b"/.well-knownx",
        b"/.Well-Known/x",
        b"http://h//a",
    ],
)
def test_nothing_there(target: bytes) -> None:
    assert refused(target) == 404


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/a", b"/a/"),
        (b"/a?", b"/a/?"),
        (b"/a?b=//c", b"/a/?b=//c"),
        (b"/a%20b/%63", b"/a%20b/c/"),
        (b"/%5c%5ch", b"/%5C%5Ch/"),
        (b"/a:b@c", b"/a:b@c/"),
        (b"/%22%3c%3e|^`{}", b"/%22%3C%3E%7C%5E%60%7B%7D/"),
        (b"http://other/a", b"/a/"),
    ],
)
def test_directory_location(target: bytes, location: bytes) -> None:
    assert resolve(target).directory_location() == location
