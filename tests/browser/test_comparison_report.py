"""The report of the comparison with QUIC as a person sees it: a file opened in a browser, on a desk and on a phone."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.compare.saving import save
from tests.support.browser import Browser
from tests.support.colours import AA_PARTS, contrast, css_colour, luminance
from tests.support.comparison import sample_report
from tests.support.looks import WIDTHS, look, require_contrast

pytestmark = pytest.mark.slow

# What reaches beyond the right edge of its window, and each text of a plot that reaches beyond its plot.
OVERFLOWING = """
const edge = document.documentElement.clientWidth + 0.5, found = [];
for (const element of document.body.querySelectorAll("*")) {
  const box = element.getBoundingClientRect();
  // The head of the tables is hidden on phones, but read out.
  if (box.right > edge && !element.closest("thead")) found.push(element.outerHTML.slice(0, 80));
}
for (const text of document.querySelectorAll("svg text")) {
  const box = text.getBoundingClientRect(), plot = text.closest("svg").getBoundingClientRect();
  if (box.left < plot.left - 0.5 || box.right > plot.right + 0.5) found.push(text.textContent);
}
return found;
"""
# Marks of plots with what is behind them.
MARKS = """
return [...document.querySelectorAll("svg circle, svg path.quic, svg path.spread")].map(mark => {
  const style = getComputedStyle(mark);
  return [style.stroke, getComputedStyle(mark.closest("figure")).backgroundColor];
});
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("report")
    save(sample_report(), folder)
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_can_be_read_and_nothing_overflows(
    browser: Browser, page: str, tmp_path: Path, scheme: str, width: str
) -> None:
    browser.open(page)
    look(browser, scheme, width)
    browser.run("for (const more of document.querySelectorAll('details')) more.open = true")
    require_contrast(browser)
    behind = css_colour(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert luminance(behind) > 0.9 if scheme == "light" else luminance(behind) < 0.02
    assert browser.run("return document.documentElement.scrollWidth") <= WIDTHS[width]
    assert browser.run(OVERFLOWING) == []
    _picture(browser, tmp_path / f"{scheme}-{width}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plots_are_there_and_their_marks_stand_out(browser: Browser, page: str, scheme: str) -> None:
    browser.open(page)
    look(browser, scheme, "wide")
    plots = browser.run(
        "return [...document.querySelectorAll('svg')].map(e => [e.clientWidth, e.querySelectorAll('text.name').length])"
    )
    assert len(plots) == 9
    assert all(width > 250 and servers >= 3 for width, servers in plots)
    marks = browser.run(MARKS)
    assert len(marks) > 40
    assert all(contrast(css_colour(stroke), css_colour(behind)) >= AA_PARTS for stroke, behind in marks)


def test_what_was_refused_is_seen_before_anything_is_scrolled(browser: Browser, page: str) -> None:
    browser.open(page)
    refused = "[...document.querySelectorAll('b.bad')]"
    assert browser.run(f"return {refused}[0].innerText") == "qh3 was refused"
    assert browser.run(f"return {refused}[0].getBoundingClientRect().bottom < innerHeight")


def _picture(browser: Browser, file: Path) -> None:
    """Save the whole page, not only what fits into the window."""
    height = browser.run("return document.documentElement.scrollHeight")
    width = browser.run("return document.documentElement.clientWidth")
    browser.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    browser.screenshot(file)
