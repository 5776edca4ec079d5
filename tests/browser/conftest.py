"""One server with several sites and one browser, for all tests here: both take seconds to start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.access_lines import AccessLines
from tests.support.browser import Browser
from tests.support.hostile_names import make_folders
from tests.support.server import Server
from tests.support.web_pages import make_application, make_pages

LISTED_ENTRIES = 100


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sites, the server and the browser have their files."""
    folder = tmp_path_factory.mktemp("browser")
    make_pages(folder / "pages")
    make_application(folder / "application")
    make_folders(folder / "listed", LISTED_ENTRIES)
    return folder


@pytest.fixture(scope="session")
def server(place: Path) -> Iterator[Server]:
    pages = str(place / "pages")
    immutable = {"path": "/assets/**", "cache_control": "immutable", "cors": ["*"]}
    settings: dict[str, object] = {
        "log.access_log": str(place / "access.log"),
        "log.access_format": "json",
        "files.listed_entries": LISTED_ENTRIES,
        "site": [
            {
                "names": ["pages.example"],
                "root": pages,
                "precompressed": ["br"],
                "rule": [immutable, {"path": "/**", "cache_control": "no-cache"}],
            },
            {"names": ["strict.example"], "root": pages, "security_headers": "strict", "hsts_s": 60},
            {
                "names": ["app.example"],
                "root": str(place / "application"),
                "rule": [{"path": "/assets/**"}, {"path": "/**", "fallback": "/index.html"}],
            },
            {"names": ["listed.example"], "root": str(place / "listed"), "listing": True},
        ],
    }
    with Server(place / "server", place, settings=settings) as started:
        yield started


@pytest.fixture(scope="session")
def url(server: Server) -> Callable[[str, str], str]:
    """Make the URL of a path on a site: ``url("pages", "/")``."""
    return lambda site, path: f"https://{site}.example:{server.port}{path}"


@pytest.fixture(scope="session")
def started_browser(place: Path, server: Server) -> Iterator[Browser]:
    folder = place / "chromium"
    folder.mkdir()
    with Browser(folder, [server.ca_file]) as browser:
        yield browser


@pytest.fixture
def browser(started_browser: Browser) -> Iterator[Browser]:
    """The browser as it is after its start, on an empty page; the test fails if the console has anything at its end."""
    yield started_browser
    complaints = started_browser.complaints()
    started_browser.reset()
    assert complaints == []


@pytest.fixture(scope="session")
def access_lines(place: Path, server: Server) -> AccessLines:
    return AccessLines(server, place / "access.log")


@pytest.fixture
def accesses(access_lines: AccessLines) -> AccessLines:
    """What is asked for from now on."""
    access_lines.take()
    return access_lines
