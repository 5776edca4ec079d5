from __future__ import annotations

import gc
import math
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.errors import RequestError
from ktlsserve.files.cache import FileCache, RootFiles
from ktlsserve.files.open_file import OpenFile
from ktlsserve.files.root import Root
from ktlsserve.kernel.inotify import ChangeNotices
from tests.support.waiting import wait_until

MAX_AGE_S = 5.0
MOST = 3


class CountingRoot:
    """A root that counts how often it is asked, and may be told to refuse."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self.opened: list[bytes] = []
        self.refusal: RequestError | None = None

    def open(self, path: bytes) -> OpenFile:
        self.opened.append(path)
        if self.refusal is not None:
            raise self.refusal
        return self._root.open(path)

    def descriptor_path(self) -> bytes:
        return self._root.descriptor_path()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    (folder / "sub" / "deep").mkdir(parents=True)
    for name in ("a", "b", "c", "d", "sub/deep/file"):
        (folder / name).write_bytes(name.encode())
    return folder


@pytest.fixture
def notices() -> Iterator[ChangeNotices]:
    made = ChangeNotices()
    yield made
    made.close()


@pytest.fixture
def root(folder: Path) -> Iterator[CountingRoot]:
    with Root(folder) as opened:
        yield CountingRoot(opened)


@pytest.fixture
def cache(root: CountingRoot, notices: ChangeNotices) -> Iterator[FileCache]:
    made = FileCache(root, notices, most_entries=MOST, max_age_s=MAX_AGE_S)  # type: ignore[arg-type]
    made.now_s = 100.0
    made.horizon_s = math.inf
    yield made
    made.clear()


def read(cache: FileCache, path: bytes) -> bytes:
    file = cache.open(path)
    content = os.pread(file.fd, 100, 0)
    file.release()
    return content


def status_of(cache: FileCache, path: bytes) -> int:
    with pytest.raises(RequestError) as caught:
        cache.open(path)
    return caught.value.status


def test_a_file_is_opened_once_for_many(cache: FileCache, root: CountingRoot) -> None:
    first, second = cache.open(b"a"), cache.open(b"a")
    assert first is second
    assert root.opened == [b"a"]
    first.release()
    second.release()
    # The cache has a use of its own.
    assert not first.closed
    cache.clear()
    assert first.closed


@pytest.mark.parametrize("path", [b"a", b"sub/deep/file", b"sub/deep", b""])
def test_while_nothing_changes_nothing_is_looked_at(path: bytes, cache: FileCache, root: CountingRoot) -> None:
    cache.open(path).release()
    cache.now_s += MAX_AGE_S - 0.001
    cache.take_notices()
    cache.open(path).release()
    assert root.opened == [path]
    cache.now_s += 0.001
    cache.open(path).release()
    assert root.opened == [path, path]


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a").write_bytes(b"changed"),
        lambda folder: (folder / "sub" / "deep" / "file").write_bytes(b"changed"),
        lambda folder: (folder / "sub").rename(folder / "away"),
        lambda folder: (folder / "sub" / "deep").chmod(0o700),
        lambda folder: (folder / "new").touch(),
    ],
)
def test_any_notice_makes_everything_doubtful(change: object, cache: FileCache, folder: Path) -> None:
    cache.open(b"a").release()
    cache.open(b"sub/deep/file").release()
    epoch = cache.epoch
    cache.take_notices()
    assert cache.epoch == epoch
    assert callable(change)
    change(folder)
    cache.take_notices()
    assert cache.epoch == epoch + 1


def test_an_unchanged_file_keeps_its_descriptor(cache: FileCache, root: CountingRoot, folder: Path) -> None:
    """So that what was worked out from it stays right, and descriptors don't add up."""
    first = cache.open(b"a")
    (folder / "new").touch()
    cache.take_notices()
    again = cache.open(b"a")
    assert again is first
    assert root.opened == [b"a", b"a"]
    # Three uses: two here and the cache's.
    for _ in range(2):
        again.release()
        assert not again.closed
    cache.clear()
    assert again.closed


@pytest.mark.parametrize("how", ["in place", "replaced", "same size and time"])
def test_a_changed_file_is_opened_anew(how: str, cache: FileCache, folder: Path) -> None:
    old = cache.open(b"a")
    if how == "in place":
        (folder / "a").write_bytes(b"changed")
    else:
        status = (folder / "a").stat()
        (folder / "next").write_bytes(b"A")
        if how == "same size and time":
            os.utime(folder / "next", ns=(status.st_atime_ns, status.st_mtime_ns))
        (folder / "next").rename(folder / "a")
    cache.take_notices()
    assert read(cache, b"a") == (folder / "a").read_bytes()
    # Who still sends the old one goes on with it.
    assert os.pread(old.fd, 100, 0) == (b"changed" if how == "in place" else b"a")
    old.release()
    assert old.closed


def test_a_file_that_has_gone_is_closed(cache: FileCache, folder: Path) -> None:
    old = cache.open(b"a")
    old.release()
    (folder / "a").unlink()
    cache.take_notices()
    assert status_of(cache, b"a") == 404
    assert old.closed


def test_that_a_file_is_missing_is_remembered(cache: FileCache, root: CountingRoot, folder: Path) -> None:
    assert [status_of(cache, b"missing") for _ in range(3)] == [404] * 3
    assert root.opened == [b"missing"]
    (folder / "missing").write_bytes(b"here now")
    cache.take_notices()
    assert read(cache, b"missing") == b"here now"


def test_each_refusal_is_an_error_of_its_own(cache: FileCache) -> None:
    errors = []
    for _ in range(2):
        with pytest.raises(RequestError) as caught:
            cache.open(b"missing")
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert str(errors[0]) == str(errors[1])


@pytest.mark.parametrize(("status", "looks"), [(403, 1), (404, 1), (503, 2), (500, 2)])
def test_only_what_lasts_is_remembered(status: int, looks: int, cache: FileCache, root: CountingRoot) -> None:
    root.refusal = RequestError(status, "refused")
    assert [status_of(cache, b"a") for _ in range(2)] == [status] * 2
    assert len(root.opened) == looks


def test_running_out_of_descriptors_gives_the_old_file_up(cache: FileCache, root: CountingRoot) -> None:
    old = cache.open(b"a")
    old.release()
    cache.now_s += MAX_AGE_S
    root.refusal = RequestError(503, "too many open files")
    assert status_of(cache, b"a") == 503
    assert old.closed
    root.refusal = None
    assert read(cache, b"a") == b"a"


# Bounds.


def test_the_file_looked_at_longest_ago_makes_room(cache: FileCache, root: CountingRoot) -> None:
    files = {name: cache.open(name) for name in (b"a", b"b", b"c")}
    cache.open(b"d").release()
    assert len(cache) == MOST
    files[b"a"].release()
    assert files[b"a"].closed
    for name in (b"b", b"c"):
        cache.open(name).release()
        files[name].release()
    assert root.opened == [b"a", b"b", b"c", b"d"]


def test_a_file_that_makes_room_stays_open_for_who_sends_it(cache: FileCache) -> None:
    sending = cache.open(b"a")
    for name in (b"b", b"c", b"d"):
        cache.open(name).release()
    assert os.pread(sending.fd, 10, 0) == b"a"
    sending.release()
    assert sending.closed


def test_random_names_do_not_push_files_out(cache: FileCache, root: CountingRoot) -> None:
    cache.open(b"a").release()
    for number in range(10 * MOST):
        assert status_of(cache, b"missing-%d" % number) == 404
    assert len(cache._failures) == MOST
    root.opened.clear()
    cache.open(b"a").release()
    assert root.opened == []


def test_watches_are_bounded(cache: FileCache, notices: ChangeNotices, folder: Path) -> None:
    most = 0
    for number in range(40):
        (folder / f"folder-{number}").mkdir()
        (folder / f"folder-{number}" / "file").write_bytes(b"old")
        cache.open(b"folder-%d/file" % number).release()
        most = max(most, len(notices))
    assert most <= 4 * MOST + 3
    # Those who lost their watch are doubtful, and the last one isn't.
    (folder / "folder-39" / "file").write_bytes(b"new")
    epoch = cache.epoch
    cache.take_notices()
    assert cache.epoch > epoch
    assert read(cache, b"folder-39/file") == b"new"


def test_another_root_has_files_of_its_own(cache: FileCache, tmp_path: Path, root: CountingRoot) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_bytes(b"the other a")
    with Root(tmp_path / "other") as other:
        files = RootFiles(cache, other)
        for _ in range(2):
            file = files.open(b"a")
            assert os.pread(file.fd, 100, 0) == b"the other a"
            file.release()
        assert read(cache, b"a") == b"a"
        assert len(cache) == 2
        # What changes beneath it makes all of them doubtful, as they are one cache.
        (tmp_path / "other" / "a").write_bytes(b"changed")
        epoch = cache.epoch
        cache.take_notices()
        assert cache.epoch > epoch
    assert root.opened == [b"a"]


# How long an answer is good.


def test_the_horizon_is_the_first_moment_of_doubt(cache: FileCache) -> None:
    cache.open(b"a").release()
    assert cache.horizon_s == 100.0 + MAX_AGE_S
    cache.now_s += 1.0
    cache.horizon_s = math.inf
    cache.open(b"b").release()
    assert cache.horizon_s == 101.0 + MAX_AGE_S
    cache.open(b"a").release()
    assert cache.horizon_s == 100.0 + MAX_AGE_S
    status_of(cache, b"missing")
    assert cache.horizon_s == 100.0 + MAX_AGE_S


def test_a_missing_file_has_a_horizon_too(cache: FileCache) -> None:
    status_of(cache, b"missing")
    assert cache.horizon_s == 100.0 + MAX_AGE_S


class Unwatchable(ChangeNotices):
    """Notices of a kernel that has no watch left."""

    def watch(self, path: bytes) -> bool:
        return False


@pytest.mark.parametrize("kind", ["no notices", "no watch left"])
def test_without_notices_each_use_is_a_look(kind: str, root: CountingRoot, folder: Path) -> None:
    notices = None if kind == "no notices" else Unwatchable()
    cache = FileCache(root, notices, most_entries=MOST, max_age_s=MAX_AGE_S)  # type: ignore[arg-type]
    cache.now_s, cache.horizon_s = 100.0, math.inf
    first = cache.open(b"a")
    assert cache.horizon_s == 100.0
    second = cache.open(b"a")
    assert second is first
    assert root.opened == [b"a", b"a"]
    (folder / "a").write_bytes(b"changed")
    assert read(cache, b"a") == b"changed"
    assert status_of(cache, b"missing") == 404
    (folder / "missing").write_bytes(b"now")
    assert read(cache, b"missing") == b"now"
    cache.take_notices()
    for file in (first, second):
        file.release()
    cache.clear()
    if notices is not None:
        notices.close()


def test_a_change_between_the_look_and_the_next_turn_is_noticed(
    cache: FileCache, folder: Path, monkeypatch: pytest.MonkeyPatch, root: CountingRoot
) -> None:
    """The watch comes before the file is opened: a change while it is opened can't be missed."""
    opened = CountingRoot.open

    def change_and_open(self: CountingRoot, path: bytes) -> OpenFile:
        file = opened(self, path)
        (folder / "next").write_bytes(b"changed meanwhile")
        (folder / "next").rename(folder / "a")
        return file

    monkeypatch.setattr(CountingRoot, "open", change_and_open)
    cache.open(b"a").release()
    monkeypatch.setattr(CountingRoot, "open", opened)
    cache.take_notices()
    assert read(cache, b"a") == b"changed meanwhile"


def test_roots_share_a_cache_and_not_their_files(cache: FileCache, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_bytes(b"another")
    with Root(tmp_path / "other") as other:
        files = cache.beneath(other)
        assert read(cache, b"a") == b"a"
        file = files.open(b"a")
        assert os.pread(file.fd, 100, 0) == b"another"
        assert files.open(b"a") is file
        file.release()
        file.release()
        with pytest.raises(RequestError):
            files.open(b"b")
        assert len(cache) == 2
        cache.clear()


def test_a_change_beneath_any_root_is_noticed(cache: FileCache, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a").write_bytes(b"before")
    with Root(tmp_path / "other") as other:
        cache.beneath(other).open(b"a").release()
        (tmp_path / "other" / "a").write_bytes(b"afterwards")
        cache.take_notices()
        file = cache.beneath(other).open(b"a")
        assert os.pread(file.fd, 100, 0) == b"afterwards"
        file.release()
        cache.clear()


def test_a_change_in_place_that_keeps_size_and_time_is_seen(cache: FileCache, folder: Path) -> None:
    """Only the time of change tells: nobody can set that one back."""
    old = cache.open(b"a")
    path = folder / "a"
    status = path.stat()

    def change() -> bool:
        path.write_bytes(b"A")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return path.stat().st_ctime_ns != status.st_ctime_ns

    wait_until(change, "the next tick of the file system's clock")
    cache.take_notices()
    new = cache.open(b"a")
    assert new is not old
    assert new.version != old.version
    new.release()
    old.release()


def test_what_is_remembered_of_a_failure_holds_nothing_of_its_request(cache: FileCache) -> None:
    class Connection:
        """What an exception's traceback would keep."""

    def ask(conn: Connection) -> None:
        with pytest.raises(RequestError):
            cache.open(b"missing")

    conn = Connection()
    dead = weakref.ref(conn)
    ask(conn)
    ask(conn)
    del conn
    gc.collect()
    assert dead() is None
    assert len(cache._failures) == 1
