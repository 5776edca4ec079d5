"""Listings as a person sees them: in light and dark, wide and narrow, with names that want to be something else."""

from __future__ import annotations

import http.client
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.browser import Browser
from tests.support.colours import AA_PARTS, contrast, css_colour, luminance
from tests.support.hostile_names import HOSTILE_NAMES
from tests.support.looks import WIDTHS, look, require_contrast, text_colours
from tests.support.server import Server
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow

PATHS = {
    "top": "/",
    "hostile": "/hostile/",
    "more": "/long/?sort=time&order=desc",
    "deep": f"/a%20long%20name%20for%20a%20folder/{'deep' * 20}/deeper/still%20deeper/",
    "empty": "/empty/",
}

ELEMENTS = frozenset(("a", "bdi", "data", "h1", "main", "nav", "p", "span", "table", "tbody", "td", "th", "thead"))
ELEMENTS |= {"time", "tr"}

# Where the cells of each row are, and the pieces of their text.
BOXES = """
const box = (rect) => [rect.left, rect.top, rect.right, rect.bottom];
return [...document.querySelectorAll("tbody tr")].map((row) => [...row.cells].map((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  return [box(cell.getBoundingClientRect()), [...range.getClientRects()].map(box)];
}));
"""
Box = tuple[float, float, float, float]


def names(browser: Browser) -> list[str]:
    """Return the names that are listed, as they are shown."""
    found: list[str] = browser.run("return [...document.querySelectorAll('td bdi')].map(name => name.innerText)")
    return found


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_and_nothing_is_scrolled_sideways(
    browser: Browser, url: Callable[[str, str], str], tmp_path: Path, scheme: str, path: str
) -> None:
    browser.open(url("listed", PATHS[path]))
    for width, most in WIDTHS.items():
        look(browser, scheme, width)
        require_contrast(browser)
        behind = css_colour(browser.run("return getComputedStyle(document.body).backgroundColor"))
        assert luminance(behind) > 0.9 if scheme == "light" else luminance(behind) < 0.02
        assert browser.run("return document.documentElement.scrollWidth") <= most
        browser.screenshot(tmp_path / f"{width}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_pointed_at_and_focused_can_be_seen(
    browser: Browser, url: Callable[[str, str], str], scheme: str
) -> None:
    browser.open(url("listed", "/"))
    look(browser, scheme, "wide")
    before = text_colours(browser)
    x, y = browser.run("const {x, y} = document.querySelector('tbody tr').getBoundingClientRect(); return [x, y]")
    browser.command("Input.dispatchMouseEvent", type="mouseMoved", x=x + 5, y=y + 5)
    browser.wait_for("document.querySelector('tbody tr').matches(':hover')")
    assert text_colours(browser) != before
    require_contrast(browser)
    for kind in ("rawKeyDown", "keyUp"):
        browser.command("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    style, width, colour = browser.wait_for(
        "(s => s.outlineStyle !== 'none' && [s.outlineStyle, s.outlineWidth, s.outlineColor])"
        "(getComputedStyle(document.activeElement))"
    )
    assert (style, width) == ("solid", "2px")
    assert contrast(css_colour(colour), before[0][2]) >= AA_PARTS


@pytest.mark.parametrize("width", WIDTHS)
def test_hostile_names_stay_in_their_places(browser: Browser, url: Callable[[str, str], str], width: str) -> None:
    browser.open(url("listed", "/hostile/"))
    look(browser, "light", width)
    rows: list[list[tuple[Box, list[Box]]]] = browser.run(BOXES)
    assert len(rows) == len([name for name in HOSTILE_NAMES if can_be_listed(name)]) + 1
    for row in rows:
        for cell, pieces in row:
            for left, top, right, bottom in pieces:
                assert cell[0] <= left <= right <= cell[2] + 1
                assert cell[1] <= top <= bottom <= cell[3] + 1
    ends = [row[0][0][3] for row in rows]
    assert ends == sorted(ends), "rows overlap"


def test_hostile_names_inject_nothing(
    browser: Browser, url: Callable[[str, str], str], place: Path, server: Server
) -> None:
    browser.open(url("listed", "/hostile/"))
    assert browser.driver.title == "Index of /hostile/"
    used = set(browser.run("return [...document.querySelectorAll('body *')].map(element => element.localName)"))
    assert used <= ELEMENTS
    shown = names(browser)
    # But for the joiner of two emoji.
    assert all(name.replace("\u200d", "").isprintable() for name in shown), "something in a name can't be seen"
    assert "photo\ufffdgpj.exe" in shown
    assert "  spaces  around  " in shown
    links: list[str] = browser.run("return [...document.querySelectorAll('tbody bdi')].map(b => b.parentElement.href)")
    assert {link.rpartition("/")[0] for link in links} == {url("listed", "/hostile")}
    listed = {name for name in HOSTILE_NAMES if can_be_listed(name)}
    assert {fetched(server, link) for link in links} == listed
    assert {os.fsencode(path.name) for path in (place / "listed" / "hostile").iterdir()} == set(HOSTILE_NAMES)


def fetched(server: Server, link: str) -> bytes:
    """Return what the server gives for a link, asked for as it stands there."""
    context = ssl.create_default_context(cafile=str(server.ca_file))
    connection = http.client.HTTPSConnection(*server.address, timeout=LIMIT_S, context=context)
    _, _, host, path = link.split("/", 3)
    connection.request("GET", f"/{path}", headers={"Host": host})
    reply = connection.getresponse()
    assert reply.status == 200, link
    content = reply.read()
    connection.close()
    return content


def can_be_listed(name: bytes) -> bool:
    """Tell whether a request could ask for a name: not with control characters."""
    return not any(byte < 0x20 or byte == 0x7F for byte in name)


def test_sorting_needs_no_script(browser: Browser, url: Callable[[str, str], str]) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(url("pages", "/"))
    assert browser.run("return {...document.documentElement.dataset}") == {}, "scripts run"
    browser.open(url("listed", "/"))
    folders = names(browser)[:4]
    by_name = ["archive-2026-11.tar.zst", "favicon.ico", "index of all.pdf", "photo.jpeg", "README.md", "video.webm"]
    assert names(browser)[4:] == by_name
    largest = ["video.webm", "archive-2026-11.tar.zst", "photo.jpeg", "README.md"]
    newest = ["video.webm", "photo.jpeg", "index of all.pdf", "archive-2026-11.tar.zst"]
    for column, way, expected in (
        ("Size", "descending", largest),
        ("Size", "ascending", largest[::-1]),
        ("Modified", "descending", newest),
        ("Modified", "ascending", newest[::-1]),
        ("Name", "ascending", by_name),
        ("Name", "descending", by_name[::-1]),
    ):
        browser.driver.find_element("partial link text", column).click()
        sorted_by = browser.driver.find_element("css selector", "th[aria-sort]")
        assert (sorted_by.text.split()[0], sorted_by.get_attribute("aria-sort")) == (column, way)
        assert sorted(names(browser)[:4]) == sorted(folders), "folders come first in each order"
        files = names(browser)[4:]
        assert [name for name in files if name in expected] == expected
    browser.driver.find_element("link text", "hostile/").click()
    browser.driver.find_element("link text", "Top").click()
    assert browser.driver.title == "Index of /"
