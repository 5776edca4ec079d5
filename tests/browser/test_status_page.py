"""The admin endpoint's page as a person sees it, while the server is at work and when it is gone."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.admin_client import AdminClient
from tests.support.browser import Browser
from tests.support.colours import css_colour, luminance
from tests.support.looks import WIDTHS, look, require_contrast
from tests.support.server import Server
from tests.support.waiting import LIMIT_S, wait_until

pytestmark = pytest.mark.slow

ADMIN = ("--admin", "127.0.0.1:0")
HEADINGS = ["Who encrypts", "Workers", "Certificates", "Requests", "TLS handshakes", "What went wrong"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("status")
    (folder / "index.html").write_text("<!doctype html><title>Hello</title>", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    """A server with something to tell: requests, a failed handshake, several workers."""
    with Server(tmp_path_factory.mktemp("watched") / "server", root, workers=2, arguments=ADMIN) as server:
        ask(server, "/", "/", "/nothing")
        assert ask_plain(server) == 400
        admin = AdminClient(server)
        wait_until(lambda: admin.status()["requests"]["total"] == 3, "3 requests")
        wait_until(lambda: admin.status()["handshakes"]["failed"]["plain_http"] == 1, "a failed handshake")
        yield server


@pytest.fixture(scope="module")
def admin(watched: Server) -> AdminClient:
    return AdminClient(watched)


def ask(server: Server, *paths: str) -> None:
    """Have the server answer a request for each path, on one connection."""
    context = ssl.create_default_context(cafile=str(server.ca_file))
    client = http.client.HTTPSConnection("localhost", server.port, context=context, timeout=LIMIT_S)
    for path in paths:
        client.request("GET", path)
        client.getresponse().read()
    client.close()


def ask_plain(server: Server) -> int:
    """Ask over plain HTTP; return the status of the refusal."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=LIMIT_S)
    client.request("GET", "/")
    status = client.getresponse().status
    client.close()
    return status


def text(browser: Browser, key: str) -> str:
    found: str = browser.run(f"return document.getElementById('{key}').innerText")
    return found


def test_it_tells_what_happens_without_being_loaded_again(
    browser: Browser, watched: Server, admin: AdminClient
) -> None:
    browser.open(f"{admin.url}/")
    browser.run("window.loadedOnce = true")
    before = admin.status()["requests"]["total"]
    ask(watched, *["/"] * 5)
    browser.wait_for(f"document.getElementById('requests-now-more').innerText === '{before + 5} in all'")
    assert browser.run("return window.loadedOnce")
    assert browser.run("return document.title") == "ktlsserve: ready"
    # The curve of the last minute has a point for each time that it was asked.
    browser.wait_for("document.getElementById('curve').getAttribute('points').trim().split(' ').length > 2")
    assert browser.run("return document.getElementById('graph').getClientRects().length") == 1


def test_what_is_selected_stays_so(browser: Browser, admin: AdminClient) -> None:
    """What doesn't change isn't touched, or nobody could copy anything from the page."""
    browser.open(f"{admin.url}/")
    browser.run("""
        const range = document.createRange();
        range.selectNodeContents(document.querySelector("#certificates td"));
        getSelection().addRange(range);
    """)
    browser.wait_for("document.getElementById('curve').getAttribute('points').trim().split(' ').length > 2")
    assert browser.run("return getSelection().toString()").startswith("localhost")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_and_nothing_is_scrolled_sideways(
    browser: Browser, admin: AdminClient, tmp_path: Path, scheme: str
) -> None:
    browser.open(f"{admin.url}/")
    for width, most in WIDTHS.items():
        look(browser, scheme, width)
        require_contrast(browser)
        behind = css_colour(browser.run("return getComputedStyle(document.body).backgroundColor"))
        assert luminance(behind) > 0.9 if scheme == "light" else luminance(behind) < 0.02
        assert browser.run("return document.documentElement.scrollWidth") <= most
        # No table has to be scrolled either.
        too_wide = browser.run(
            "return [...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth)"
        )
        assert [table.get_attribute("id") for table in too_wide] == []
        browser.screenshot(tmp_path / f"{width}.png")


def test_without_a_script_it_tells_the_same(browser: Browser, watched: Server, admin: AdminClient) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(f"{admin.url}/")
    assert browser.run("return [...document.querySelectorAll('h2')].map(e => e.innerText)") == HEADINGS
    assert text(browser, "stage") == "ready"
    assert "localhost" in text(browser, "certificates")
    assert "serving" in text(browser, "workers")
    assert "default" in text(browser, "requests")
    assert "plain http" in text(browser, "failures")
    # There is no curve to draw, and the page loads itself anew.
    assert browser.run("return document.getElementById('graph').getClientRects().length") == 0
    before = admin.status()["requests"]["total"]
    ask(watched, "/")
    browser.wait_for(f"document.getElementById('requests-now-more').innerText === '{before + 1} in all'")


def test_when_the_server_is_gone_that_is_said_until_it_is_back(browser: Browser, tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "first", root, tls="off", arguments=ADMIN) as server:
        admin = AdminClient(server)
        browser.open(f"{admin.url}/")
        assert not browser.run("return document.getElementById('silent').getClientRects().length")
    browser.wait_for("!document.getElementById('silent').hidden")
    assert "doesn't answer" in text(browser, "silent")
    for scheme in ("light", "dark"):
        look(browser, scheme, "phone")
        require_contrast(browser)
    again = ("--admin", f"{admin.host}:{admin.port}")
    with Server(tmp_path / "second", root, tls="off", workers=3, arguments=again):
        browser.wait_for("document.getElementById('silent').hidden")
        browser.wait_for("document.querySelectorAll('#workers tbody tr').length === 3")
        browser.driver.get("about:blank")
    # What couldn't be fetched is all that there is to complain of.
    assert all("net::ERR_CONNECTION" in complaint for complaint in browser.complaints())
