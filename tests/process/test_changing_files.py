"""Files that change while they are served: what was begun goes on or is cut, and the next request gets what is new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.downloads import LARGE_BYTES, begin_download, finish, make_download_root, require_cut
from tests.support.server import Server
from tests.support.wire import Dial, End, Wire, dialer

pytestmark = pytest.mark.slow

TIMES = 30


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return make_download_root(tmp_path / "root")


@pytest.fixture(params=["off", "userspace"])
def server(request: pytest.FixtureRequest, tmp_path: Path, root: Path) -> Iterator[Server]:
    with Server(tmp_path / "server", root, tls=request.param) as running:
        yield running


@pytest.fixture
def dial(server: Server) -> Dial:
    return dialer(server)


def replace(path: Path, content: bytes) -> None:
    """Put a new file in the old one's place, as careful programs do."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)


def body(wire: Wire, path: str) -> bytes:
    """Return the body of a 200, and the status of anything else."""
    response = wire.get(path)
    return response.body if response.status == 200 else b"%d" % response.status


def test_a_file_truncated_while_it_is_sent(server: Server, root: Path) -> None:
    with begin_download(server) as download:
        os.truncate(root / "large.bin", LARGE_BYTES // 2)
        require_cut(download)
        assert download.end is End.RESET
    server.wait_for_log(f"connection aborted: a file ends at {LARGE_BYTES // 2}")
    with dialer(server)() as wire:
        assert len(body(wire, "/large.bin")) == LARGE_BYTES // 2


def test_a_file_replaced_while_it_is_sent(server: Server, root: Path) -> None:
    with begin_download(server) as download, dialer(server)() as wire:
        replace(root / "large.bin", b"new")
        assert body(wire, "/large.bin") == b"new"
        (root / "large.bin").unlink()
        assert body(wire, "/large.bin") == b"404"
        finish(download)


def test_a_file_that_grows_while_it_is_sent(server: Server, root: Path) -> None:
    with begin_download(server) as download:
        with (root / "large.bin").open("ab") as file:
            file.write(b"more")
        finish(download)


def test_what_is_replaced_is_seen_at_once(dial: Dial, root: Path) -> None:
    with dial() as wire:
        for number in range(TIMES):
            replace(root / "page.html", b"version %d" % number)
            assert body(wire, "/page.html") == b"version %d" % number
            assert body(wire, "/page.html") == b"version %d" % number


def test_what_is_written_in_place_is_seen_at_once(dial: Dial, root: Path) -> None:
    page = root / "page.html"
    page.write_bytes(b"version 00")
    with dial() as wire:
        for number in range(TIMES):
            # The same size, and the same second: only the kernel's word tells.
            with page.open("r+b") as file:
                file.write(b"version %02d" % number)
            assert body(wire, "/page.html") == b"version %02d" % number


def test_what_comes_and_goes_is_seen_at_once(dial: Dial, root: Path) -> None:
    page = root / "deep" / "er" / "page.html"
    with dial() as wire:
        for number in range(TIMES):
            assert body(wire, "/deep/er/page.html") == b"404"
            page.parent.mkdir(parents=True)
            page.write_bytes(b"version %d" % number)
            assert body(wire, "/deep/er/page.html") == b"version %d" % number
            page.unlink()
            page.parent.rmdir()
            page.parent.parent.rmdir()


def test_a_folder_that_is_renamed_is_seen_at_once(dial: Dial, root: Path) -> None:
    for name in ("one", "two"):
        (root / name / "sub").mkdir(parents=True)
        (root / name / "sub" / "page.html").write_bytes(name.encode())
    with dial() as wire:
        for _ in range(TIMES):
            (root / "one").rename(root / "live")
            assert body(wire, "/live/sub/page.html") == b"one"
            (root / "live").rename(root / "one")
            (root / "two").rename(root / "live")
            assert body(wire, "/live/sub/page.html") == b"two"
            (root / "live").rename(root / "two")
            assert body(wire, "/live/sub/page.html") == b"404"


def test_a_link_that_is_switched_is_seen_at_once(dial: Dial, root: Path) -> None:
    for name in ("one", "two"):
        (root / "releases" / name).mkdir(parents=True)
        (root / "releases" / name / "page.html").write_bytes(name.encode())
    with dial() as wire:
        for _ in range(TIMES):
            for name in ("one", "two"):
                (root / "draft").symlink_to(f"releases/{name}")
                (root / "draft").rename(root / "current")
                assert body(wire, "/current/page.html") == name.encode()


def test_an_index_that_appears_is_seen_at_once(dial: Dial, root: Path) -> None:
    (root / "folder").mkdir()
    index = root / "folder" / "index.html"
    with dial() as wire:
        for number in range(TIMES):
            assert body(wire, "/folder/") == b"404"
            index.write_bytes(b"index %d" % number)
            assert body(wire, "/folder/") == b"index %d" % number
            index.unlink()


def test_all_workers_see_it(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=3) as server:
        dial = dialer(server)
        wires = [dial() for _ in range(12)]
        for number in range(5):
            replace(root / "page.html", b"version %d" % number)
            assert {body(wire, "/page.html") for wire in wires} == {b"version %d" % number}
        for wire in wires:
            wire.close()
