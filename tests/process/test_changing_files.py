"""Files that change while they are served: what was begun goes on or is cut, and the next request gets what is new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.downloads import LARGE_BYTES, begin_download, finish, make_download_root, require_cut
from tests.support.server import Server
from tests.support.wire import End, Wire, dialer

pytestmark = pytest.mark.slow

TIMES = 30
WORKERS = 3


@pytest.fixture(scope="module", params=["off", "userspace"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("root")
    with Server(tmp_path_factory.mktemp("server"), root, tls=request.param, workers=WORKERS) as running:
        yield running


@pytest.fixture
def folder(server: Server, request: pytest.FixtureRequest) -> Path:
    """A folder beneath the root that only this test changes, with a large file."""
    path = Path(server.listening()[0].root) / request.function.__name__
    path.mkdir()
    return make_download_root(path)


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with dialer(server)() as opened:
        yield opened


def replace(path: Path, content: bytes) -> None:
    """Put a new file in the old one's place, as careful programs do."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_bytes(content)
    draft.replace(path)


def body(wire: Wire, folder: Path, name: str) -> bytes:
    """Return the body of a 200, and the status of anything else."""
    response = wire.get(f"/{folder.name}/{name}")
    return response.body if response.status == 200 else b"%d" % response.status


def test_a_sibling_counts_while_it_is_as_new_as_its_file(tmp_path: Path) -> None:
    (root := tmp_path / "root").mkdir()
    file, sibling = root / "a.txt", root / "a.txt.gz"
    settings = {"defaults.precompressed": ["gzip"]}
    with Server(tmp_path / "server", root, tls="off", settings=settings) as server, dialer(server)() as wire:

        def got() -> list[bytes]:
            # Asked twice: the second time the reply comes out of the memo.
            return [wire.get("/a.txt", "Accept-Encoding: gzip").body for _ in range(2)]

        replace(file, b"first")
        replace(sibling, b"first, compressed")
        assert got() == [b"first, compressed"] * 2
        time_ns = sibling.stat().st_mtime_ns
        replace(file, b"second")
        os.utime(file, ns=(time_ns + 1_000_000_000,) * 2)
        assert got() == [b"second"] * 2
        os.utime(sibling, ns=(time_ns + 1_000_000_000,) * 2)
        assert got() == [b"first, compressed"] * 2
        os.utime(sibling, ns=(time_ns - 1_000_000_000,) * 2)
        assert got() == [b"second"] * 2
        assert server.log().count("older than the file beside it") == 1


def test_a_file_truncated_while_it_is_sent(server: Server, folder: Path, wire: Wire) -> None:
    with begin_download(server, f"/{folder.name}/large.bin") as download:
        os.truncate(folder / "large.bin", LARGE_BYTES // 2)
        require_cut(download)
        assert download.end is End.RESET
    server.wait_for_log(f"{download.name}: connection aborted: a file ends at {LARGE_BYTES // 2}")
    now = wire.get(f"/{folder.name}/large.bin", method="HEAD")
    assert now.values(b"Content-Length") == [b"%d" % (LARGE_BYTES // 2)]


def test_a_file_replaced_while_it_is_sent(server: Server, folder: Path, wire: Wire) -> None:
    with begin_download(server, f"/{folder.name}/large.bin") as download:
        replace(folder / "large.bin", b"new")
        assert body(wire, folder, "large.bin") == b"new"
        (folder / "large.bin").unlink()
        assert body(wire, folder, "large.bin") == b"404"
        finish(download)


def test_a_file_that_grows_while_it_is_sent(server: Server, folder: Path) -> None:
    with begin_download(server, f"/{folder.name}/large.bin") as download:
        with (folder / "large.bin").open("ab") as file:
            file.write(b"more")
        finish(download)


def test_what_is_replaced_is_seen_at_once(folder: Path, wire: Wire) -> None:
    for number in range(TIMES):
        replace(folder / "page.html", b"version %d" % number)
        assert body(wire, folder, "page.html") == b"version %d" % number
        assert body(wire, folder, "page.html") == b"version %d" % number


def test_what_is_written_in_place_is_seen_at_once(folder: Path, wire: Wire) -> None:
    page = folder / "page.html"
    page.write_bytes(b"version 00")
    for number in range(TIMES):
        # The same size, and the same second: only the kernel's word tells.
        with page.open("r+b") as file:
            file.write(b"version %02d" % number)
        assert body(wire, folder, "page.html") == b"version %02d" % number


def test_what_comes_and_goes_is_seen_at_once(folder: Path, wire: Wire) -> None:
    page = folder / "deep" / "er" / "page.html"
    for number in range(TIMES):
        assert body(wire, folder, "deep/er/page.html") == b"404"
        page.parent.mkdir(parents=True)
        page.write_bytes(b"version %d" % number)
        assert body(wire, folder, "deep/er/page.html") == b"version %d" % number
        page.unlink()
        page.parent.rmdir()
        page.parent.parent.rmdir()


def test_a_folder_that_is_renamed_is_seen_at_once(folder: Path, wire: Wire) -> None:
    for name in ("one", "two"):
        (folder / name / "sub").mkdir(parents=True)
        (folder / name / "sub" / "page.html").write_bytes(name.encode())
    for _ in range(TIMES):
        (folder / "one").rename(folder / "live")
        assert body(wire, folder, "live/sub/page.html") == b"one"
        (folder / "live").rename(folder / "one")
        (folder / "two").rename(folder / "live")
        assert body(wire, folder, "live/sub/page.html") == b"two"
        (folder / "live").rename(folder / "two")
        assert body(wire, folder, "live/sub/page.html") == b"404"


def test_a_link_that_is_switched_is_seen_at_once(folder: Path, wire: Wire) -> None:
    for name in ("one", "two"):
        (folder / "releases" / name).mkdir(parents=True)
        (folder / "releases" / name / "page.html").write_bytes(name.encode())
    for _ in range(TIMES):
        for name in ("one", "two"):
            (folder / "draft").symlink_to(f"releases/{name}")
            (folder / "draft").rename(folder / "current")
            assert body(wire, folder, "current/page.html") == name.encode()


def test_a_chain_of_links_is_followed_anew(folder: Path, wire: Wire) -> None:
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "page.html").write_bytes(name.encode())
    # live -> stage -> one|two, as release tools make it: what changes isn't the link that is named.
    (folder / "live").symlink_to("stage")
    for _ in range(TIMES):
        for name in ("one", "two"):
            (folder / "draft").symlink_to(name)
            (folder / "draft").rename(folder / "stage")
            assert body(wire, folder, "live/page.html") == name.encode()


def test_an_index_that_appears_is_seen_at_once(folder: Path, wire: Wire) -> None:
    (folder / "sub").mkdir()
    index = folder / "sub" / "index.html"
    for number in range(TIMES):
        assert body(wire, folder, "sub/") == b"404"
        index.write_bytes(b"index %d" % number)
        assert body(wire, folder, "sub/") == b"index %d" % number
        index.unlink()


def test_all_workers_see_it(server: Server, folder: Path) -> None:
    with ExitStack() as stack:
        dial = dialer(server)
        wires = [stack.enter_context(dial()) for _ in range(4 * WORKERS)]
        for number in range(5):
            replace(folder / "page.html", b"version %d" % number)
            assert {body(wire, folder, "page.html") for wire in wires} == {b"version %d" % number}
