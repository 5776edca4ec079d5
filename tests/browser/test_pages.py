"""A page with all that pages load, in a real browser: nothing fails, and what may be kept isn't asked for again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.access_lines import AccessLines
from tests.support.browser import Browser
from tests.support.server import Server

pytestmark = pytest.mark.slow

ASSETS = {
    "/assets/style.css": "text/css; charset=utf-8",
    "/assets/classic.js": "text/javascript; charset=utf-8",
    "/assets/module.js": "text/javascript; charset=utf-8",
    "/assets/imported.js": "text/javascript; charset=utf-8",
    "/assets/picture.png": "image/png",
    "/assets/picture.svg": "image/svg+xml",
    "/assets/font.ttf": "font/ttf",
}
OTHERS = {
    "/": "text/html; charset=utf-8",
    "/picture.webp": "image/webp",
    "/data.json": "application/json",
}
ICON = "/favicon.svg"


def wait_for_all(browser: Browser) -> None:
    """Wait until the scripts have run, and require what each part of the page does."""
    browser.wait_for("document.documentElement.dataset.module")
    assert browser.run("return {...document.documentElement.dataset}") == {"classic": "ran", "module": "Everything: 42"}
    sizes = browser.run("return [...document.images].map(image => [image.naturalWidth, image.naturalHeight])")
    assert sizes == [[3, 2], [24, 16], [1, 1]]
    assert browser.run("return getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"
    assert browser.run("return [...document.fonts].map(font => font.status)") == ["loaded"]


@pytest.mark.parametrize("site", ["pages", "strict", "kernel"])
def test_everything_loads(browser: Browser, url: Callable[[str, str], str], site: str) -> None:
    browser.open(url(site, "/"))
    wait_for_all(browser)
    found = {reply.path: reply for reply in browser.loaded()}
    expected = ASSETS | OTHERS
    assert {path: found[path].status for path in expected} == dict.fromkeys(expected, 200)
    assert {path: found[path].headers["content-type"] for path in expected} == expected
    assert {(reply.protocol, reply.tls) for reply in found.values()} == {("http/1.1", "TLS 1.3")}
    assert {reply.key_exchange for reply in found.values()} == {"X25519MLKEM768"}
    # The browser is told what it may load, and says nothing: it is all there.
    assert ("content-security-policy" in found["/"].headers) == (site == "strict")
    # The script that was sent compressed has run.
    assert (found["/assets/imported.js"].headers.get("content-encoding") == "br") == (site == "pages")


def test_what_is_kept_is_not_asked_for_again(
    browser: Browser, url: Callable[[str, str], str], logs: Callable[[str], AccessLines]
) -> None:
    browser.command("Network.clearBrowserCache")
    log = logs("pages")
    log.take()
    asked = []
    for _ in range(2):
        browser.open(url("pages", "/"))
        wait_for_all(browser)
        asked.append(Counter((line.path, line.status) for line in log.take() if line.path != ICON))
    assert asked[0] == Counter((path, 200) for path in ASSETS | OTHERS)
    # Immutable files aren't asked for; with no-cache, a file is, and the copy is still good.
    assert asked[1] == Counter((path, 304) for path in OTHERS)


def test_strict_headers_stop_what_is_not_of_the_site(browser: Browser, url: Callable[[str, str], str]) -> None:
    browser.open(url("strict", "/"))
    wait_for_all(browser)
    script = "const added = document.createElement('script'); added.textContent = 'window.added = true'; "
    assert browser.run(f"{script} document.body.append(added); return window.added") is None
    (complaint,) = browser.complaints()
    assert "violates the following Content Security Policy directive" in complaint


@pytest.mark.parametrize(("path", "loads"), [("/assets/font.ttf", True), ("/data.json", False)])
def test_another_site_gets_what_cors_allows(
    browser: Browser, url: Callable[[str, str], str], path: str, loads: bool
) -> None:
    browser.open(url("app", "/"))
    asked = f"fetch('{url('pages', path)}').then(reply => reply.ok, () => false).then(arguments[0])"
    assert browser.driver.execute_async_script(asked) is loads
    complaints = browser.complaints()
    assert (complaints == []) is loads
    assert all("blocked by CORS policy" in text or "net::ERR_FAILED" in text for text in complaints)


def test_an_application_of_one_page_is_there_after_a_reload(
    browser: Browser, url: Callable[[str, str], str], logs: Callable[[str], AccessLines]
) -> None:
    log = logs("app")
    log.take()
    browser.open(url("app", "/"))
    browser.driver.find_element("link text", "Profile").click()
    for _ in range(2):
        browser.wait_for("document.querySelector('h1').textContent === '/settings/profile'")
        assert browser.run("return location.pathname") == "/settings/profile"
        browser.driver.refresh()
    browser.driver.back()
    browser.wait_for("document.querySelector('h1').textContent === '/'")
    asked = Counter((line.path, line.status) for line in log.take())
    assert asked["/settings/profile", 200] + asked["/settings/profile", 304] == 2
    assert {status for _, status in asked} <= {200, 304}


def test_a_server_with_another_key_is_not_trusted(browser: Browser, tmp_path: Path, place: Path) -> None:
    with Server(tmp_path / "server", place / "application") as other:
        browser.open(other.url)
        with pytest.raises(AssertionError, match="ERR_CERT_AUTHORITY_INVALID"):
            browser.loaded()
