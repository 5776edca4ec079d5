"""One server with several sites and one browser, for all tests here: both take seconds to start."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ktlsserve.tls.self_signed import new_self_signed
from tests.support.access_lines import AccessLines
from tests.support.browser import Browser
from tests.support.guest_server import GuestServer
from tests.support.hostile_names import make_folders
from tests.support.programs import nothing_may_be_missing
from tests.support.server import Server
from tests.support.web_pages import make_application, make_pages
from tests.vm.errors import GuestError

LISTED_ENTRIES = 100


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the sites, the server and the browser have their files."""
    folder = tmp_path_factory.mktemp("browser")
    make_pages(folder / "pages")
    make_application(folder / "application")
    make_folders(folder / "listed", LISTED_ENTRIES)
    return folder


@pytest.fixture(scope="package")
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


@pytest.fixture(scope="package")
def guest_certificate(place: Path) -> Path:
    """The certificate of the server in a guest, made before either is started: the browser has to know it."""
    file = place / "guest.pem"
    file.write_bytes(new_self_signed("localhost", datetime.now(UTC)))
    return file


@pytest.fixture(scope="package")
def kernel_server(place: Path, guest_certificate: Path) -> Iterator[GuestServer]:
    """The same pages, encrypted by a kernel that is not this machine's."""
    try:
        starting = GuestServer("6.12", place / "pages", guest_certificate, {})
    except GuestError as error:
        if nothing_may_be_missing():
            pytest.fail(f"no guest with kTLS can be had: {error}", pytrace=False)
        pytest.skip(f"no guest with kTLS can be had: {error}")
    with starting as started:
        yield started


@pytest.fixture(scope="package")
def ports(request: pytest.FixtureRequest, server: Server) -> Callable[[str], int]:
    """Tell the port of a site; that of the site ``kernel`` needs a guest, which is booted for it."""

    def port(site: str) -> int:
        if site != "kernel":
            return server.port
        guest: GuestServer = request.getfixturevalue("kernel_server")
        return guest.port

    return port


@pytest.fixture(scope="package")
def url(ports: Callable[[str], int]) -> Callable[[str, str], str]:
    """Make the URL of a path on a site: ``url("pages", "/")``."""
    return lambda site, path: f"https://{site}.example:{ports(site)}{path}"


@pytest.fixture(scope="package")
def started_browser(place: Path, server: Server, guest_certificate: Path) -> Iterator[Browser]:
    folder = place / "chromium"
    folder.mkdir()
    with Browser(folder, [server.ca_file, guest_certificate]) as browser:
        yield browser


@pytest.fixture
def browser(started_browser: Browser) -> Iterator[Browser]:
    """The browser as it is after its start, on an empty page; the test fails if the console has anything at its end."""
    yield started_browser
    complaints = started_browser.complaints()
    started_browser.reset()
    assert complaints == []


@pytest.fixture(scope="package")
def logs(request: pytest.FixtureRequest, place: Path, server: Server) -> Callable[[str], AccessLines]:
    """Find the log in which a site's requests are written."""

    @functools.cache
    def log(in_guest: bool) -> AccessLines:
        if not in_guest:
            return AccessLines(place / "access.log", server.address, server.ca_file)
        guest: GuestServer = request.getfixturevalue("kernel_server")
        return AccessLines(guest.access_log, ("127.0.0.1", guest.port), request.getfixturevalue("guest_certificate"))

    return lambda site: log(site == "kernel")
