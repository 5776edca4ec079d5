"""Listings of folders by a real server: several requests, changes of the folder, links, a long folder."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.listing_page import read_listing
from tests.support.server import Server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

LISTED_ENTRIES = 50


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "docs").mkdir(parents=True)
    (folder / "docs" / "a.txt").write_bytes(b"12345")
    (tmp_path / "secret").write_bytes(b"from outside")
    (folder / "docs" / "out").symlink_to("../../secret")
    (folder / "docs" / ".hidden").touch()
    (folder / "with-index").mkdir()
    (folder / "with-index" / "index.html").write_text("the index")
    (folder / "long").mkdir()
    for number in range(LISTED_ENTRIES + 1):
        (folder / "long" / str(number)).touch()
    return folder


@pytest.fixture
def connection(tmp_path: Path, root: Path) -> Iterator[http.client.HTTPConnection]:
    settings: dict[str, object] = {
        "defaults.listing": True,
        "defaults.security_headers": "strict",
        "files.listed_entries": LISTED_ENTRIES,
    }
    with Server(tmp_path / "server", root, tls="off", settings=settings) as server:
        opened = http.client.HTTPConnection(server.host, server.port, timeout=60)
        yield opened
        opened.close()


def ask(
    connection: http.client.HTTPConnection, path: str, accept: str = "*/*", **fields: str
) -> tuple[int, dict[str, str], bytes]:
    connection.request("GET", path, headers={"Accept": accept, **{k.replace("_", "-"): v for k, v in fields.items()}})
    reply = connection.getresponse()
    headers = reply.getheaders()
    names = [name.lower() for name, _ in headers if name.lower() != "vary"]
    assert len(set(names)) == len(names), "a field is said twice"
    return reply.status, dict(headers), reply.read()


def listed(connection: http.client.HTTPConnection, path: str) -> set[str]:
    status, _, body = ask(connection, path, "application/json")
    assert status == 200
    return {entry["name"] for entry in json.loads(body)}


def test_a_folder_is_listed_and_its_links_lead_somewhere(connection: http.client.HTTPConnection) -> None:
    for _ in range(2):
        status, headers, body = ask(connection, "/docs/")
        assert status == 200
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert headers["X-Frame-Options"] == "DENY"
        rows = read_listing(body).rows
        assert [row.href for row in rows] == ["../", "./a.txt"]
        assert ask(connection, "/docs/a.txt")[2] == b"12345"
    assert ask(connection, "/docs/", If_None_Match=headers["ETag"])[0] == 304
    assert listed(connection, "/") == {"docs", "with-index", "long"}


def test_an_index_goes_before_a_listing(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "/with-index/")[2] == b"the index"
    assert ask(connection, "/docs")[0] == 301


@pytest.mark.parametrize("path", ["/none/", "/docs/a.txt/", "/.git/", "/docs/out/"])
def test_what_is_no_folder_is_not_found(connection: http.client.HTTPConnection, path: str) -> None:
    assert ask(connection, path)[0] == 404


def test_changes_are_seen(connection: http.client.HTTPConnection, root: Path) -> None:
    assert listed(connection, "/docs/") == {"a.txt"}
    (root / "docs" / "b.txt").touch()
    wait_until(lambda: listed(connection, "/docs/") == {"a.txt", "b.txt"}, "the new file in the listing")
    (root / "docs" / "a.txt").write_bytes(b"longer than before")
    wait_until(lambda: b'"size":18' in ask(connection, "/docs/", "application/json")[2], "the new size")
    (root / "docs" / "index.html").write_text("an index")
    wait_until(lambda: ask(connection, "/docs/")[2] == b"an index", "the new index")
    (root / "docs" / "index.html").unlink()
    wait_until(lambda: ask(connection, "/docs/")[1]["Content-Type"].startswith("text/html; c"), "the listing")
    for path in (root / "docs").iterdir():
        path.unlink()
    (root / "docs").rmdir()
    wait_until(lambda: ask(connection, "/docs/")[0] == 404, "the end of the folder")


def test_a_long_folder_is_cut_and_says_so(connection: http.client.HTTPConnection) -> None:
    _, headers, body = ask(connection, "/long/", "application/json")
    assert (headers["Listing-Complete"], len(json.loads(body))) == ("?0", LISTED_ENTRIES)
    assert b"There is more in this folder" in ask(connection, "/long/?sort=time&order=desc")[2]


def test_names_of_any_bytes_can_be_followed(connection: http.client.HTTPConnection, root: Path) -> None:
    names = [b"latin-\xe9", b"a:b", b'"<&>', b"50%41", b"que?ry", b"back\\slash", "größe".encode(), b"#x"]
    (root / "names").mkdir()
    for name in names:
        (root / "names" / os.fsdecode(name)).write_bytes(name)
    entries = json.loads(ask(connection, "/names/", "application/json")[2])
    assert {ask(connection, "/names/" + entry["url"].removeprefix("./"))[2] for entry in entries} == set(names)
