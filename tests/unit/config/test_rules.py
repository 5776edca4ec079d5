from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.config import Auth, Rule
from ktlsserve.config.file import parse_config
from ktlsserve.errors import ConfigError

AUTH = 'path = "/"\nauth = { realm = "a", users = "u" }\n'


def problems_of(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        parse_config(text)
    return dict(raised.value.problems)


def test_a_file_may_be_flat() -> None:
    config = parse_config('[[rule]]\npath = "/a/**"\ncache_control = "immutable"\n[[rule]]\npath = "/b"\ndeny = true\n')
    assert config.rule == (Rule("/a/**", cache_control="immutable"), Rule("/b", deny=True))


def test_every_key_has_a_use() -> None:
    config = parse_config(
        """
        [[rule]]
        path = "/old/**"
        redirect = "https://new.example/{rest}"
        redirect_status = 307
        headers = { X-Robots-Tag = "noindex", Vary = "Cookie" }
        cors = ["https://a.example", "http://localhost:8080", "http://[::1]:80", "chrome-extension://abc"]
        [[rule]]
        path = "/{a,b}/*"
        rewrite = "/c/{path}"
        fallback = "/d/e.html"
        download = true
        auth = { realm = "Staff only", users = "staff" }
        cache_control = "private, immutable"
        """,
        folder=Path("/etc"),
    )
    assert config.rule[1].auth == Auth("Staff only", Path("/etc/staff"))
    assert config.rule[0].headers == {"X-Robots-Tag": "noindex", "Vary": "Cookie"}
    assert config.rule[1].fallback == "/d/e.html"


@pytest.mark.parametrize(
    ("text", "key", "complaint"),
    [
        ("deny = true", "rule[0].path", "is missing"),
        ('path = "a"', "rule[0].path", "must start with a slash"),
        ("path = 3", "rule[0].path", "must be a pattern such as /assets/**, not 3"),
        ('path = "/a**"', "rule[0].path", "whole segments"),
        ('path = "/"\ncache_contrl = "x"', "rule[0].cache_contrl", "did you mean cache_control?"),
        ('path = "/"\ncache_control = "a\\r\\nb"', "rule[0].cache_control", "Cache-Control"),
        ('path = "/"\ncache_control = " a"', "rule[0].cache_control", "Cache-Control"),
        ('path = "/"\nheaders = { X-A = "a\\nb" }', "rule[0].headers.X-A", "printable ASCII"),
        ('path = "/"\nheaders = { X-A = "" }', "rule[0].headers.X-A", "printable ASCII"),
        ('path = "/"\nheaders = { X-A = "ü" }', "rule[0].headers.X-A", "printable ASCII"),
        ('path = "/"\nheaders = { X-A = 3 }', "rule[0].headers.X-A", "not 3"),
        ('path = "/"\nheaders = { "X A" = "b" }', 'rule[0].headers."X A"', "doesn't write itself"),
        ('path = "/"\nheaders = { "X:" = "b" }', 'rule[0].headers."X:"', "doesn't write itself"),
        ('path = "/"\nheaders = { "a\\n" = "b" }', 'rule[0].headers."a\\n"', "doesn't write itself"),
        ('path = "/"\nheaders = { "" = "b" }', 'rule[0].headers.""', "doesn't write itself"),
        ('path = "/"\nheaders = { Connection = "close" }', "rule[0].headers.Connection", "doesn't write itself"),
        ('path = "/"\nheaders = { content-LENGTH = "1" }', "rule[0].headers.content-LENGTH", "doesn't write itself"),
        ('path = "/"\nheaders = { Transfer-Encoding = "x" }', "rule[0].headers.Transfer-Encoding", "write itself"),
        ('path = "/"\nheaders = { X-A = "1", x-a = "2" }', "rule[0].headers.x-a", "is there twice"),
        ('path = "/"\ncors = ["https://a.example/"]', "rule[0].cors[0]", "an origin as browsers send it"),
        ('path = "/"\ncors = ["https://A.example"]', "rule[0].cors[0]", "an origin as browsers send it"),
        ('path = "/"\ncors = ["null"]', "rule[0].cors[0]", "an origin as browsers send it"),
        ('path = "/"\ncors = ["*", "https://a.example"]', "rule[0].cors", "name no others"),
        ('path = "/"\nauth = { realm = "a" }', "rule[0].auth.users", "is missing"),
        ('path = "/"\nauth = { realm = "a\\"b", users = "u" }', "rule[0].auth.realm", "without quotes"),
        ('path = "/"\nauth = { realm = "a\\nb", users = "u" }', "rule[0].auth.realm", "printable ASCII"),
        ('path = "/"\ndeny = true\nauth = { realm = "a", users = "u" }', "rule[0].auth", "has no effect beside deny"),
        (f'{AUTH}cache_control = "immutable"', "rule[0].cache_control", "lets shared caches answer everybody"),
        (f'{AUTH}cache_control = "max-age=9, Public"', "rule[0].cache_control", "lets shared caches answer everybody"),
        ('path = "/"\ndeny = 1', "rule[0].deny", "must be true or false"),
        ('path = "/"\nredirect = "//evil"', "rule[0].redirect", "one slash"),
        ('path = "/"\nredirect = "/a"\nredirect_status = 303', "rule[0].redirect_status", "301, 302, 307 or 308"),
        ('path = "/"\nredirect = "/{rest}"', "rule[0].redirect", "{rest} needs a path that ends in /**"),
        ('path = "/a/*"\nrewrite = "/{rest}"', "rule[0].rewrite", "{rest} needs a path that ends in /**"),
        ('path = "/"\nrewrite = "/../etc"', "rule[0].rewrite", "must be a path"),
        ('path = "/"\nfallback = "index.html"', "rule[0].fallback", "a slash first"),
        ('path = "/"\nfallback = "/.git/config"', "rule[0].fallback", "no hidden names"),
        ('path = "/"\nfallback = "/a/"', "rule[0].fallback", "a slash first"),
        ('path = "/"\ndeny = true\nredirect = "/a"', "rule[0].redirect", "has no effect beside deny"),
        ('path = "/"\nredirect = "/a"\nfallback = "/b"', "rule[0].fallback", "has no effect beside redirect"),
    ],
)
def test_a_wrong_rule_is_named_by_its_key_path(text: str, key: str, complaint: str) -> None:
    problems = problems_of(f"[[rule]]\n{text}")
    assert list(problems) == [key]
    assert complaint in problems[key]
