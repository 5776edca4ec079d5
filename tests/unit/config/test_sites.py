from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.address import Address
from ktlsserve.config import Config, Redirect, Rule, Site
from ktlsserve.config.file import load_config, parse_config
from ktlsserve.config.named import check_file, check_named
from ktlsserve.errors import ConfigError
from tests.support.pki import NOW

TWO_SITES = """
[server]
root = "www"
[defaults]
hsts_s = 60
[[rule]]
path = "/**"
cache_control = "no-cache"
[[site]]
names = ["a.example", "*.a.example"]
[[site.rule]]
path = "/x"
deny = true
[[site]]
names = ["b.example", "[::1]"]
root = "other"
hsts_s = 0
error_pages = { 404 = "/404.html" }
"""


def problems_of(text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        parse_config(text)
    return dict(raised.value.problems)


def test_sites_say_what_they_do_otherwise() -> None:
    config = parse_config(TWO_SITES, folder=Path("/etc"))
    assert config.site == (
        Site(("a.example", "*.a.example"), rule=(Rule("/x", deny=True),)),
        Site(("b.example", "[::1]"), root=Path("/etc/other"), hsts_s=0, error_pages={"404": "/404.html"}),
    )
    assert config.roots() == (Path("/etc/www"), Path("/etc/other"))


def test_without_sites_the_server_is_the_only_one() -> None:
    assert Config().roots() == (Path(),)


def test_a_redirect_has_listeners_of_its_own() -> None:
    config = parse_config('[redirect]\nlisten = ["127.0.0.1:80"]\nacme_root = "acme"\nhost = "a.example:444"')
    assert config.redirect == Redirect((Address("127.0.0.1", 80),), host="a.example:444", acme_root=Path("acme"))


@pytest.mark.parametrize(
    ("text", "key", "complaint"),
    [
        ('[[site]]\nroot = "x"', "site[0].names", "is missing"),
        ("[[site]]\nnames = []", "site[0].names", "at least 1 entry"),
        ('[[site]]\nnames = ["a.example:443"]', "site[0].names[0]", "without a port"),
        ('[[site]]\nnames = ["a.*.example"]', "site[0].names[0]", "a host name"),
        ('[[site]]\nnames = ["*"]', "site[0].names[0]", "a host name"),
        ('[[site]]\nnames = ["ü.example"]', "site[0].names[0]", "punycode"),
        ('[[site]]\nnames = ["a..example"]', "site[0].names[0]", "a host name"),
        ('[[site]]\nnames = ["a\\n"]', "site[0].names[0]", "a host name"),
        ('[[site]]\nnames = ["a"]\nindex = ["a/b"]', "site[0].index[0]", "without slashes"),
        ('[[site]]\nnames = ["a"]\nprecompressed = ["lzma"]', "site[0].precompressed[0]", '"br", "zstd" or "gzip"'),
        ('[[site]]\nnames = ["a"]\nhsts_s = -1', "site[0].hsts_s", "from 0"),
        ('[[site]]\nnames = ["a"]\nsecurity_headers = "on"', "site[0].security_headers", '"off" or "strict"'),
        ('[[site]]\nnames = ["a"]\nalt_svc = "a\\r\\nb"', "site[0].alt_svc", "Alt-Svc"),
        ('[[site]]\nnames = ["a"]\nerror_pages = { 200 = "/a" }', "site[0].error_pages.200", "one of the statuses"),
        ('[[site]]\nnames = ["a"]\nerror_pages = { 404 = "a" }', "site[0].error_pages.404", "a slash first"),
        ('[[site]]\nnames = ["a"]\ndirectory_index = true', "site[0].directory_index", "unknown key"),
        ('[[site]]\nnames = ["a"]\n[[site]]\nnames = ["b", "A"]', "site[1].names[1]", "another site's name"),
        (
            '[[site]]\nnames = ["a"]\n[[site]]\nnames = ["b"]\n[[site.rule]]\npath = "/"\ncache_control = 3',
            "site[1].rule[0].cache_control",
            "must be the value of a Cache-Control header",
        ),
        ('[http]\nunknown_host = "404"', "http.unknown_host", '"default" or "421"'),
        ("[redirect]\nstatus = 200", "redirect.status", "301, 302, 307 or 308"),
        ('[redirect]\nhost = "https://a"', "redirect.host", "a host, HOST:PORT, or empty"),
        ('[redirect]\nhost = "*.a"', "redirect.host", "a host, HOST:PORT, or empty"),
        ('[redirect]\nlisten = ["127.0.0.1:8443"]', "redirect.listen[0]", "is an address of server.listen"),
    ],
)
def test_a_wrong_value_is_named_by_its_key_path(text: str, key: str, complaint: str) -> None:
    problems = problems_of(text)
    assert list(problems) == [key]
    assert complaint in problems[key]


def test_a_name_that_is_twice_in_its_own_site_is_told_once() -> None:
    assert list(problems_of('[[site]]\nnames = ["a", "a"]')) == ["site[0].names[1]"]
    assert list(problems_of('[[site]]\nnames = ["a", "A"]')) == ["site[0].names[1]"]


def test_the_root_may_be_named_by_each_site(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[[site]]\nnames = ["a"]\nroot = "a"\n[[site]]\nnames = ["b"]\nroot = "b"\n')
    assert load_config(file).roots() == (tmp_path / "a", tmp_path / "b")
    file.write_text('[[site]]\nnames = ["a"]\nroot = "a"\n[[site]]\nnames = ["b"]\n')
    with pytest.raises(ConfigError, match=r"server\.root: is missing"):
        load_config(file)


def test_folders_that_are_missing_are_told_with_their_key_paths(tmp_path: Path) -> None:
    (tmp_path / "www").mkdir()
    text = TWO_SITES + '[redirect]\nacme_root = "acme"\n[tls]\nmode = "off"\n'
    problems, warnings = check_named(parse_config(text, folder=tmp_path), NOW)
    assert problems == [
        ("site[1].root", f"no such folder: {tmp_path}/other"),
        ("redirect.acme_root", f"no such folder: {tmp_path}/acme"),
    ]
    assert warnings == []


def test_a_root_that_no_site_uses_is_not_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('[[site]]\nnames = ["a"]\nroot = "."\n[tls]\nmode = "off"\n')
    assert check_file(file) == []


def test_what_entity_tags_are_made_of() -> None:
    assert Config().defaults.etags == "time"
    config = parse_config(
        '[server]\nroot = "/x"\n[defaults]\netags = "content"\n[[site]]\nnames = ["a"]\netags = "sidecar"'
    )
    assert (config.defaults.etags, config.site[0].etags) == ("content", "sidecar")
    assert problems_of('[defaults]\netags = "inode"') == {
        "defaults.etags": 'must be "time", "content" or "sidecar", not "inode" (line 2)'
    }
