from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.errors import RequestError
from ktlsserve.files.cache import FileCache
from ktlsserve.files.content_etags import ContentEtags, EtagStore, HashErrand
from ktlsserve.files.root import Root
from ktlsserve.files.sidecar_etags import SidecarEtags
from ktlsserve.http1.reply import Errand
from ktlsserve.http1.representation import FileOpener
from ktlsserve.kernel.inotify import ChangeNotices
from tests.support.content_tags import tag_of

CONTENT = b"0123456789"
# Not the tag of the content: so that a test sees where one comes from.
SAID = tag_of(b"9876543210")


@pytest.fixture
def etags(root: Root) -> SidecarEtags:
    return SidecarEtags(ContentEtags(root, EtagStore()))


@pytest.fixture(autouse=True)
def _file(tree: Path) -> None:
    (tree / "file").write_bytes(CONTENT)
    os.utime(tree / "file", ns=(1, 1_700_000_000_123_456_789))


def write_sidecar(tree: Path, data: bytes = SAID, *, later_ns: int = 0, name: str = "file") -> None:
    path = tree / f"{name}.etag"
    path.write_bytes(data)
    os.utime(path, ns=(1, (tree / name).stat().st_mtime_ns + later_ns))


def find(etags: SidecarEtags, root: FileOpener, path: bytes = b"file") -> bytes | Errand:
    file = root.open(path)
    try:
        return etags.find(file, path, root)
    finally:
        file.release()


def test_a_sidecar_saves_the_reading(etags: SidecarEtags, root: Root, tree: Path) -> None:
    write_sidecar(tree)
    assert find(etags, root) == SAID


def test_without_one_the_content_is_read(etags: SidecarEtags, root: Root) -> None:
    errand = find(etags, root)
    assert isinstance(errand, HashErrand)
    found = errand.run(lambda: False)
    assert found == tag_of(CONTENT)
    errand.settle(found)
    assert find(etags, root) == tag_of(CONTENT)


def test_one_in_a_folder_is_found(etags: SidecarEtags, root: Root, tree: Path) -> None:
    (tree / "docs").mkdir()
    (tree / "docs" / "file").write_bytes(CONTENT)
    write_sidecar(tree / "docs")
    assert find(etags, root, b"docs/file") == SAID


@pytest.mark.parametrize("later_ns", [-1, 1, -86_400_000_000_000, 86_400_000_000_000])
def test_one_of_another_time_is_of_another_version(later_ns: int, etags: SidecarEtags, root: Root, tree: Path) -> None:
    write_sidecar(tree, later_ns=later_ns)
    assert isinstance(find(etags, root), HashErrand)


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", SAID[1:], b"W/" + SAID, b"a" * 10_000, SAID + b" " * 100, tag_of(CONTENT + b"more")]
)
def test_what_is_no_sidecar_of_this_size_is_ignored(data: bytes, etags: SidecarEtags, root: Root, tree: Path) -> None:
    write_sidecar(tree, data)
    assert isinstance(find(etags, root), HashErrand)


def test_a_folder_is_no_sidecar(etags: SidecarEtags, root: Root, tree: Path) -> None:
    (tree / "file.etag").mkdir()
    os.utime(tree / "file.etag", ns=(1, (tree / "file").stat().st_mtime_ns))
    assert isinstance(find(etags, root), HashErrand)


def test_nothing_outside_of_the_root_is_one(etags: SidecarEtags, root: Root, tree: Path) -> None:
    write_sidecar(tree)
    (tree / "file.etag").rename(tree.parent / "outside" / "file.etag")
    (tree / "file.etag").symlink_to("../outside/file.etag")
    assert isinstance(find(etags, root), HashErrand)


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_one_that_can_not_be_opened_is_none(status: int, etags: SidecarEtags, root: Root) -> None:
    class Refuses:
        def open(self, _path: bytes) -> None:
            raise RequestError(status, "refused by the test")

    file = root.open(b"file")
    assert isinstance(etags.find(file, b"file", Refuses()), HashErrand)  # type: ignore[arg-type]
    file.release()


def test_one_that_can_not_be_read_is_said(
    etags: SidecarEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    write_sidecar(tree)
    monkeypatch.setattr(os, "pread", fail)
    assert isinstance(find(etags, root), HashErrand)
    assert caplog.messages == ["a sidecar can't be read: Input/output error"]


@pytest.mark.parametrize("data", [SAID, b"nonsense"])
def test_it_is_read_once_for_each_version_of_the_two(
    data: bytes, etags: SidecarEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sidecar(tree, data)
    first = find(etags, root)
    with monkeypatch.context() as patch:
        patch.delattr(os, "pread")
        assert find(etags, root) == first
    # A new one in its place, with the same size and time.
    draft = tree / "draft"
    draft.write_bytes(tag_of(b"abcdefghij"))
    os.utime(draft, ns=(1, (tree / "file").stat().st_mtime_ns))
    draft.rename(tree / "file.etag")
    assert find(etags, root) == tag_of(b"abcdefghij")


@pytest.mark.parametrize("sidecar_first", [False, True])
def test_a_new_version_that_arrives_in_two_steps(
    sidecar_first: bool, etags: SidecarEtags, root: Root, tree: Path
) -> None:
    """Whichever comes first: between the two, neither tag is given to content of the other version."""
    write_sidecar(tree, tag_of(CONTENT))
    new = b"abcdefghij"
    for name, content in (("new", new), ("new.etag", tag_of(new))):
        (tree / name).write_bytes(content)
        os.utime(tree / name, ns=(1, 1_800_000_000_000_000_000))
    assert find(etags, root) == tag_of(CONTENT)
    names = ("new.etag", "new") if sidecar_first else ("new", "new.etag")
    (tree / names[0]).rename(tree / names[0].replace("new", "file"))
    between = find(etags, root)
    assert isinstance(between, HashErrand)
    assert between.run(lambda: False) == tag_of((tree / "file").read_bytes())
    (tree / names[1]).rename(tree / names[1].replace("new", "file"))
    assert find(etags, root) == tag_of(new)


def test_what_was_read_is_bounded(root: Root, tree: Path) -> None:
    etags = SidecarEtags(ContentEtags(root, EtagStore()), most=2)
    for name in ("a", "b", "c"):
        (tree / name).write_bytes(CONTENT)
        write_sidecar(tree, name=name)
        assert find(etags, root, name.encode()) == SAID
        assert len(etags._read) <= 2


def test_sidecars_are_hidden(etags: SidecarEtags) -> None:
    assert etags.hides(b"docs/file.etag")
    assert not etags.hides(b"docs/file.etag/x")
    assert not etags.hides(b"docs/etag")


@pytest.fixture
def cache(root: Root) -> Iterator[FileCache]:
    notices = ChangeNotices()
    made = FileCache(root, notices, most_entries=10, max_age_s=5.0)
    made.now_s, made.horizon_s = 100.0, math.inf
    yield made
    made.clear()
    notices.close()


def test_a_sidecar_that_comes_makes_what_was_worked_out_without_it_doubtful(
    etags: SidecarEtags, cache: FileCache, tree: Path
) -> None:
    assert isinstance(find(etags, cache), HashErrand)
    cache.take_notices()
    epoch = cache.epoch
    write_sidecar(tree)
    cache.take_notices()
    assert cache.epoch == epoch + 1
    assert find(etags, cache) == SAID
