from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.address import Address
from ktlsserve.config import Config
from ktlsserve.config.file import parse_config
from ktlsserve.errors import RootError
from ktlsserve.files.content_etags import ContentEtags
from ktlsserve.files.root import Root
from ktlsserve.files.sidecar_etags import SidecarEtags
from ktlsserve.http1.cors import Cors
from ktlsserve.http1.destination import parse_redirect, parse_rewrite
from ktlsserve.http1.glob import Glob
from ktlsserve.http1.https_redirect import HttpsRedirect
from ktlsserve.http1.presets import IMMUTABLE, STRICT
from ktlsserve.http1.sites import Sites
from ktlsserve.supervisor.listeners import Listener
from ktlsserve.supervisor.site_assembly import assemble_redirect, assemble_sites, open_roots

HSTS = (b"Strict-Transport-Security", b"max-age=60")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("www", "other", "acme"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def opened() -> Iterator[list[Root]]:
    roots: list[Root] = []
    yield roots
    for root in roots:
        root.close()


def sites_of(text: str, folder: Path, opened: list[Root]) -> tuple[Config, dict[Path, Root], Sites]:
    config = parse_config('[server]\nroot = "www"\n' + text, folder=folder)
    roots = open_roots(config)
    opened += roots.values()
    return config, roots, assemble_sites(config, roots)


def test_without_sites_there_is_one_for_every_host(folder: Path, opened: list[Root]) -> None:
    text = 'index = ["a.html"]\n[defaults]\nprecompressed = ["br"]\nalt_svc = "clear"\nerror_pages = {404 = "/e/x"}\n'
    _, roots, sites = sites_of(text + '[[rule]]\npath = "/**"\ndeny = true', folder, opened)
    site = sites.default
    assert sites.named == {}
    assert (site.index_names, site.precompressed, site.fields) == ((b"a.html",), (b"br",), ((b"Alt-Svc", b"clear"),))
    assert site.error_pages == {404: b"e/x"}
    assert [rule.deny for rule in site.rules] == [True]
    assert site.files is roots[folder / "www"]


SITES = """
[tls]
mode = "userspace"
[defaults]
hsts_s = 60
[[rule]]
path = "/all"
[[site]]
names = ["A.example", "*.a.example", "[0::1]"]
[[site.rule]]
path = "/own"
[[site]]
names = ["b.example"]
root = "other"
index = []
precompressed = []
hsts_s = 0
security_headers = "strict"
"""


def test_sites_differ_where_they_say_so(folder: Path, opened: list[Root]) -> None:
    _, roots, sites = sites_of(SITES, folder, opened)
    first, second = sites.named[b"a.example"], sites.named[b"b.example"]
    assert sites.default is first
    assert set(sites.named) == {b"a.example", b"*.a.example", b"[::1]", b"b.example"}
    assert [rule.glob.text for rule in first.rules] == ["/own", "/all"]
    assert [rule.glob.text for rule in second.rules] == ["/all"]
    assert (first.fields, second.fields) == ((HSTS,), STRICT)
    assert (first.index_names, second.index_names) == ((b"index.html",), ())
    assert second.files is roots[folder / "other"]
    assert sites.refuse_unknown is False


def test_sites_in_one_folder_share_its_root(folder: Path, opened: list[Root]) -> None:
    text = '[[site]]\nnames = ["a"]\n[[site]]\nnames = ["b"]\nroot = "www"\n[http]\nunknown_host = "421"'
    _, roots, sites = sites_of(text, folder, opened)
    assert list(roots) == [folder / "www"]
    assert sites.named[b"a"].files is sites.named[b"b"].files
    assert sites.refuse_unknown is True


def test_plain_http_does_not_speak_of_strict_transport(folder: Path, opened: list[Root]) -> None:
    _, _, sites = sites_of('[tls]\nmode = "off"\n[defaults]\nhsts_s = 60', folder, opened)
    assert sites.default.fields == ()


def test_a_rule_becomes_what_answers(folder: Path, opened: list[Root]) -> None:
    text = """
    [defaults]
    hsts_s = 60
    [[rule]]
    path = "/a/**"
    cache_control = "immutable"
    headers = { X-A = "1", strict-transport-security = "max-age=1" }
    cors = ["*"]
    redirect = "/b/{rest}"
    redirect_status = 302
    [[rule]]
    path = "/c"
    cache_control = "no-store"
    rewrite = "/d"
    fallback = "/e/f"
    download = true
    """
    _, _, sites = sites_of(text, folder, opened)
    first, second = sites.default.rules
    assert (first.glob, first.cache_control, first.cors) == (Glob("/a/**"), IMMUTABLE, Cors(frozenset({b"*"})))
    assert first.fields == ((b"X-A", b"1"), (b"strict-transport-security", b"max-age=1"))
    assert (first.redirect, first.redirect_status) == (parse_redirect("/b/{rest}"), 302)
    assert (second.cache_control, second.rewrite, second.fallback) == (b"no-store", parse_rewrite("/d"), b"e/f")
    assert (second.fields, second.download, second.cors, second.redirect) == ((HSTS,), True, None, None)


def test_a_missing_folder_closes_those_already_open(folder: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(RootError):
        open_roots(
            parse_config('[server]\nroot = "www"\n[redirect]\nlisten = ["h:1"]\nacme_root = "no"', folder=folder)
        )
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_redirect_knows_the_names_and_the_port(folder: Path, opened: list[Root]) -> None:
    text = '[redirect]\nlisten = ["127.0.0.1:80"]\nacme_root = "acme"\nstatus = 301'
    config, roots, sites = sites_of(SITES + text, folder, opened)
    with socket.socket() as sock:
        redirect = assemble_redirect(config, roots, sites, [Listener(sock, Address("::", 0), "[::]:8443")])
    assert (redirect.port, redirect.status, redirect.host) == (8443, 301, b"")
    assert redirect.names == set(sites.named)
    assert redirect.challenges is not None
    assert redirect.challenges.files is roots[folder / "acme"]


def test_a_redirect_may_lead_to_one_host_and_serve_nothing(folder: Path, opened: list[Root]) -> None:
    config, roots, sites = sites_of('[redirect]\nlisten = ["127.0.0.1:80"]\nhost = "a.example"', folder, opened)
    with socket.socket() as sock:
        redirect = assemble_redirect(config, roots, sites, [Listener(sock, Address("h", 443), "127.0.0.1:443")])
    assert redirect == HttpsRedirect(host=b"a.example")


def test_entity_tags_are_made_of_what_a_site_says(folder: Path, opened: list[Root]) -> None:
    text = '[defaults]\netags = "content"\nlisting = true\n'
    for number, etags in enumerate(("", 'etags = "time"\n', 'etags = "sidecar"\nlisting = true\n')):
        text += f'[[site]]\nnames = ["{number}"]\n{etags}'
    _, roots, sites = sites_of(text, folder, opened)
    content, times, sidecars = (sites.named[b"%d" % number] for number in range(3))
    assert isinstance(content.etags, ContentEtags)
    assert times.etags is None
    assert isinstance(sidecars.etags, SidecarEtags)
    # What one site has read, the others know.
    assert content.etags._store is sidecars.etags._content._store
    assert content.etags._root is roots[folder / "www"]
    (folder / "www" / "a.js").touch()
    (folder / "www" / "a.js.etag").touch()
    for site, names in ((content, {b"a.js", b"a.js.etag"}), (sidecars, {b"a.js"})):
        assert site.listings is not None
        top = site.files.open(b"")
        assert {entry.name for entry in site.listings._reader.read(top, b"").entries} == names
        top.release()


def test_by_default_entity_tags_are_the_files_own(folder: Path, opened: list[Root]) -> None:
    assert sites_of("", folder, opened)[2].default.etags is None
