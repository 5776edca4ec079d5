from __future__ import annotations

import pytest

from ktlsserve.http1.cors import Cors
from ktlsserve.http1.glob import Glob
from ktlsserve.http1.request import Request
from ktlsserve.http1.rules import NO_RULE, Rule, find_rule

FIRST, SECOND, THIRD = (Rule(Glob(path)) for path in ("/a/b", "/a/**", "/**/"))


def request(target: bytes, *fields: tuple[bytes, bytes]) -> Request:
    return Request(b"GET", target, b"1.1", fields, keep_alive=True)


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        (b"/a/b", FIRST),
        (b"/%61/b?query", FIRST),
        (b"http://host/a/b", FIRST),
        (b"/a/b/", SECOND),
        (b"/b/", THIRD),
        (b"/b", None),
        (b"/a/../a/b", None),
        (b"*", None),
    ],
)
def test_the_first_rule_that_matches_holds(target: bytes, rule: Rule | None) -> None:
    assert find_rule((FIRST, SECOND, THIRD), request(target)) is rule


def test_no_rule_says_nothing() -> None:
    asked = request(b"/", (b"origin", b"https://a.example"), (b"access-control-request-method", b"GET"))
    assert NO_RULE.reply_fields(asked) == ()
    assert NO_RULE.preflight_fields(asked) == ()
    assert NO_RULE.cache_fields() == ()
    assert NO_RULE.file_fields(b"a") == ()


def test_what_goes_with_each_reply_and_what_with_files_only() -> None:
    rule = Rule(Glob("/**"), ((b"X-A", b"1"),), cache_control=b"no-store", cors=Cors(frozenset({b"*"})), download=True)
    assert rule.reply_fields(request(b"/"))[:2] == ((b"X-A", b"1"), (b"Access-Control-Allow-Origin", b"*"))
    assert rule.cache_fields() == ((b"Cache-Control", b"no-store"),)
    assert rule.file_fields(b"x/a.zip") == ((b"Content-Disposition", b'attachment; filename="a.zip"'),)
