"""A video in a real browser: it plays, and where it is moved to, only the bytes from there are asked for."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support import video
from tests.support.access_lines import AccessLines
from tests.support.browser import Browser

pytestmark = pytest.mark.slow

# The average brightness of what is shown, from 0 to 255.
SHOWN = """
const video = document.querySelector("video"), canvas = document.createElement("canvas");
canvas.width = video.videoWidth;
canvas.height = video.videoHeight;
const context = canvas.getContext("2d");
context.drawImage(video, 0, 0);
const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
return data.reduce((sum, value, index) => sum + (index % 4 === 0 ? value : 0), 0) / (data.length / 4);
"""
ELEMENT = "document.querySelector('video')"
HAVE_CURRENT_DATA = 2
START = re.compile(r"bytes (\d+)-\d+/(\d+)")


def second_shown(browser: Browser) -> int:
    """Return the second of the video that the picture on the screen is of."""
    level = 16 + browser.run(SHOWN) * 219 / 255
    return min(range(video.SECONDS), key=lambda second: abs(video.brightness(second) - level))


def seek(browser: Browser, second: int) -> None:
    browser.run(f"{ELEMENT}.currentTime = {second}.5")
    browser.wait_for(f"!{ELEMENT}.seeking && {ELEMENT}.readyState >= {HAVE_CURRENT_DATA}")
    assert int(browser.run(f"return {ELEMENT}.currentTime")) == second


@pytest.mark.parametrize("site", ["pages", "strict", "kernel"])
def test_a_video_is_sought_in_by_ranges(
    browser: Browser, url: Callable[[str, str], str], logs: Callable[[str], AccessLines], site: str
) -> None:
    log = logs(site)
    log.take()
    browser.command("Network.clearBrowserCache")
    browser.open(url(site, "/video.html"))
    browser.wait_for(f"{ELEMENT}.readyState >= {HAVE_CURRENT_DATA}")
    assert browser.run(f"return [{ELEMENT}.videoWidth, {ELEMENT}.videoHeight]") == [video.WIDTH, video.HEIGHT]
    assert abs(browser.run(f"return {ELEMENT}.duration") - video.SECONDS) < 1 / video.FRAMES_PER_S + 0.01
    assert second_shown(browser) == 0
    browser.loaded()

    for second in (27, 20):
        seek(browser, second)
        assert second_shown(browser) == second
    starts = [START.fullmatch(reply.headers["content-range"]) for reply in browser.loaded() if reply.status == 206]
    # What it goes on reading from the beginning is up to the browser; it can't have got as far as that.
    assert any(start is not None and int(start[1]) > int(start[2]) // 2 for start in starts)
    assert browser.run(f"return {ELEMENT}.error") is None
    # A request under way ends when the page is left.
    browser.driver.get("about:blank")
    asked = [line for line in log.take() if line.path == "/video.webm"]
    assert {line.status for line in asked} <= {206, 304}
    assert sum(line.status == 206 for line in asked) >= 2, "the beginning, and where it was moved to"


def test_a_video_plays(browser: Browser, url: Callable[[str, str], str]) -> None:
    browser.open(url("strict", "/video.html"))
    browser.wait_for(f"{ELEMENT}.readyState >= {HAVE_CURRENT_DATA}")
    seek(browser, video.SECONDS - 2)
    assert (
        browser.driver.execute_async_script(
            f"{ELEMENT}.onended = () => arguments[0]('ended'); {ELEMENT}.play().catch(arguments[0])"
        )
        == "ended"
    )
    assert second_shown(browser) == video.SECONDS - 1
