from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ktlsserve.errors import RequestError
from ktlsserve.files.listing import FolderReader
from ktlsserve.files.root import Root
from ktlsserve.http1.folder import Entry, Folder

TIME_NS = 1_700_000_000_123_456_789


def listing(root: Root, path: bytes = b"", most: int = 1000) -> Folder:
    file = root.open(path)
    try:
        return FolderReader(root, most).read(file, path)
    finally:
        file.release()


def names(root: Root, path: bytes = b"") -> set[bytes]:
    return {entry.name for entry in listing(root, path).entries}


def test_files_and_folders(tree: Path, root: Root) -> None:
    (tree / "a.txt").write_bytes(b"12345")
    (tree / "docs").mkdir()
    for name in ("a.txt", "docs"):
        os.utime(tree / name, ns=(0, TIME_NS))
    folder = listing(root)
    assert (folder.path, folder.complete) == (b"", True)
    size = (tree / "docs").stat().st_size
    assert set(folder.entries) == {Entry(b"a.txt", False, 5, TIME_NS), Entry(b"docs", True, size, TIME_NS)}


def test_a_folder_below(tree: Path, root: Root) -> None:
    (tree / "docs").mkdir()
    (tree / "docs" / "b").touch()
    assert listing(root, b"docs").path == b"docs"
    assert names(root, b"docs") == {b"b"}


def test_names_are_bytes(tree: Path, root: Root) -> None:
    for name in (b"latin-\xe9", "größe".encode(), b"a b", b"back\\slash", b"a.b.", b'"<&>'):
        Path(os.fsdecode(os.fsencode(tree) + b"/" + name)).touch()
    assert names(root) == {b"latin-\xe9", "größe".encode(), b"a b", b"back\\slash", b"a.b.", b'"<&>'}


@pytest.mark.parametrize("name", [b".hidden", b".well-known", b"..x", b"new\nline", b"\x01x", b"x\x7f", b"\xe9\n\xe9"])
def test_what_no_request_can_name_is_not_listed(tree: Path, root: Root, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tree) + b"/" + name)).touch()
    assert names(root) == set()


def test_what_is_never_served_is_not_listed(tree: Path, root: Root) -> None:
    os.mkfifo(tree / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "socket"))
    assert names(root) == set()


def test_links_are_listed_as_what_they_lead_to(tree: Path) -> None:
    (tree / "docs").mkdir()
    (tree / "docs" / "a.txt").write_bytes(b"12345")
    (tree / "file").symlink_to("docs/a.txt")
    (tree / "folder").symlink_to("docs")
    (tree / "docs" / "up").symlink_to("../docs/a.txt")
    with Root(tree) as root:
        if not root.use_openat2:
            pytest.skip("probed openat2(2): this kernel or its sandbox has none, and without it no link is followed")
        entries = {entry.name: entry for entry in listing(root).entries}
        assert (entries[b"file"].is_folder, entries[b"file"].size) == (False, 5)
        assert entries[b"folder"].is_folder
        assert names(root, b"docs") == {b"a.txt", b"up"}


def test_without_openat2_no_link_is_listed(tree: Path) -> None:
    (tree / "a").touch()
    (tree / "b").symlink_to("a")
    with Root(tree, use_openat2=False) as root:
        assert names(root) == {b"a"}


@pytest.mark.parametrize("leads_to", ["/etc/passwd", "../secret", "../outside", "gone", "itself", "fifo"])
def test_links_that_lead_out_or_nowhere_are_not_listed(tree: Path, root: Root, leads_to: str) -> None:
    os.mkfifo(tree / "fifo")
    (tree / "itself").symlink_to(leads_to)
    assert names(root) == set()


def test_running_out_of_descriptors_is_no_short_listing(tree: Path, root: Root) -> None:
    class NoneLeft:
        def open(self, _path: bytes) -> None:
            raise RequestError(503, "too many open files")

    (tree / "link").symlink_to("a")
    file = root.open(b"")
    with pytest.raises(RequestError) as caught:
        FolderReader(NoneLeft(), 10).read(file, b"")  # type: ignore[arg-type]
    assert caught.value.status == 503
    file.release()


def test_a_long_folder_is_cut(tree: Path, root: Root) -> None:
    for number in range(20):
        (tree / str(number)).touch()
    folder = listing(root, most=7)
    assert (len(folder.entries), folder.complete) == (7, False)
    assert listing(root, most=20).complete


def test_entries_that_are_not_listed_count_too(tree: Path, root: Root) -> None:
    for number in range(20):
        (tree / f".{number}").touch()
    assert listing(root, most=7) == Folder(b"", (), complete=False)


def test_a_folder_can_be_read_again(tree: Path, root: Root) -> None:
    for number in range(20):
        (tree / str(number)).touch()
    reader = FolderReader(root, 7)
    file = root.open(b"")
    assert reader.read(file, b"") == reader.read(file, b"")
    (tree / "new").touch()
    assert b"new" in {entry.name for entry in FolderReader(root, 100).read(file, b"").entries}
    file.release()


def test_a_folder_removed_meanwhile_is_empty(tree: Path, root: Root) -> None:
    (tree / "docs").mkdir()
    (tree / "docs" / "a").touch()
    file = root.open(b"docs")
    (tree / "docs" / "a").unlink()
    (tree / "docs").rmdir()
    assert FolderReader(root, 10).read(file, b"docs") == Folder(b"docs", ())
    file.release()


def test_what_goes_while_it_is_listed_is_not_listed(tree: Path, root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "a").touch()
    (tree / "b").touch()
    scandir = os.scandir

    @contextmanager
    def remove_what_was_read(fd: int) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(fd) as items:
            read = list(items)
            (tree / "a").unlink()
            yield iter(read)

    file = root.open(b"")
    monkeypatch.setattr(os, "scandir", remove_what_was_read)
    assert [entry.name for entry in FolderReader(root, 10).read(file, b"").entries] == [b"b"]
    file.release()


def test_a_suffix_can_be_hidden(tree: Path, root: Root) -> None:
    for name in ("a.js", "a.js.etag", ".etag", "etag"):
        (tree / name).touch()
    file = root.open(b"")
    entries = FolderReader(root, 1000, b".etag").read(file, b"").entries
    file.release()
    assert {entry.name for entry in entries} == {b"a.js", b"etag"}
    assert names(root) == {b"a.js", b"a.js.etag", b"etag"}
