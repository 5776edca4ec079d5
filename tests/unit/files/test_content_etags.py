from __future__ import annotations

import errno
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ktlsserve.files.content_etags import ContentEtags, EtagStore, HashErrand, content_etag, unsettled_ns, version_of
from ktlsserve.files.open_file import FileVersion
from ktlsserve.files.root import Root
from tests.support.content_tags import tag_of
from tests.support.memory_site import memory_file
from tests.support.waiting import wait_until

CONTENTS = [b"", b"x", b"0123456789" * 10, bytes(1_000_001)]
NS_PER_S = 1_000_000_000


@pytest.fixture
def store() -> EtagStore:
    return EtagStore()


@pytest.fixture
def etags(root: Root, store: EtagStore) -> ContentEtags:
    return ContentEtags(root, store)


def find(etags: ContentEtags, root: Root, path: bytes = b"file") -> bytes | HashErrand:
    file = root.open(path)
    try:
        return etags.find(file, path, root)
    finally:
        file.release()


def errand_of(etags: ContentEtags, root: Root, path: bytes = b"file") -> HashErrand:
    found = find(etags, root, path)
    assert isinstance(found, HashErrand)
    return found


def do(errand: HashErrand, stopping: Callable[[], bool] = lambda: False) -> bytes | None:
    found = errand.run(stopping)
    if found is not None:
        errand.settle(found)
    return found


@pytest.mark.parametrize("content", CONTENTS)
def test_the_entity_tag_is_that_of_the_content(etags: ContentEtags, root: Root, tree: Path, content: bytes) -> None:
    (tree / "file").write_bytes(content)
    assert do(errand_of(etags, root)) == tag_of(content)
    assert find(etags, root) == tag_of(content)


def test_b2sum_comes_to_the_same(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(CONTENTS[2])
    said = subprocess.run(["b2sum", "-l", "128", tree / "file"], capture_output=True, check=True).stdout.split()[0]
    assert do(errand_of(etags, root)) == content_etag(said.decode(), 100) == b'"%b-64"' % said


def test_the_same_content_has_the_same_tag_whatever_the_time(etags: ContentEtags, root: Root, tree: Path) -> None:
    for name, time_s in (("a", 1), ("b", 2_000_000_000)):
        (tree / name).write_bytes(CONTENTS[2])
        os.utime(tree / name, (time_s, time_s))
    assert do(errand_of(etags, root, b"a")) == do(errand_of(etags, root, b"b")) == tag_of(CONTENTS[2])


def test_a_version_is_read_once(
    etags: ContentEtags, root: Root, tree: Path, store: EtagStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "file").write_bytes(b"x")
    do(errand_of(etags, root))
    monkeypatch.delattr(os, "preadv")
    assert find(etags, root) == find(ContentEtags(root, store), root) == tag_of(b"x")


def test_errands_are_equal_where_the_version_is(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(b"x")
    (tree / "link").hardlink_to(tree / "file")
    assert errand_of(etags, root) == errand_of(etags, root, b"link")
    assert hash(errand_of(etags, root)) == hash(errand_of(etags, root, b"link"))
    before = errand_of(etags, root)
    (tree / "file").write_bytes(b"xx")
    assert errand_of(etags, root) != before


def test_a_change_that_hides_behind_the_old_time_and_size_is_seen(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(b"before")
    os.utime(tree / "file", (1, 1))
    before = (tree / "file").stat()
    assert do(errand_of(etags, root)) == tag_of(b"before")

    def change() -> bool:
        (tree / "file").write_bytes(b"after!")
        os.utime(tree / "file", (1, 1))
        return (tree / "file").stat().st_ctime_ns != before.st_ctime_ns

    wait_until(change, "the next tick of the file system's clock")
    assert do(errand_of(etags, root)) == tag_of(b"after!")


# A version that isn't there any more, or not all the time.


def rewrite_in_secret(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.utime(path, (1, 1))


def interfere(monkeypatch: pytest.MonkeyPatch, action: Callable[[], object]) -> None:
    """Do something after the first piece of a file was read."""
    preadv = os.preadv
    done: list[object] = []

    def read(fd: int, buffers: list[memoryview], offset: int) -> int:
        count = preadv(fd, buffers, offset)
        if not done:
            done.append(action())
        return count

    monkeypatch.setattr(os, "preadv", read)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"B" * 600_000),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
        lambda path: os.truncate(path, 300_000),
        lambda path: rewrite_in_secret(path, b"B" * 600_000),
        lambda path: path.chmod(0o600),
    ],
    ids=["rewritten", "appended to", "truncated", "rewritten in secret", "touched"],
)
def test_a_file_that_changes_while_it_is_read_has_no_entity_tag(
    change: Callable[[Path], object],
    etags: ContentEtags,
    root: Root,
    tree: Path,
    store: EtagStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tree / "file"
    path.write_bytes(b"A" * 600_000)
    os.utime(path, (1, 1))
    interfere(monkeypatch, lambda: change(path))
    assert do(errand_of(etags, root)) is None
    assert len(store) == 0
    # And then it has the one of what it has become.
    assert do(errand_of(etags, root)) == tag_of(path.read_bytes())


def test_a_file_that_is_replaced_while_it_is_read_is_no_longer_the_one_of_its_name(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one loses its name, and with it its time of change; the new one has its own entity-tag."""
    (tree / "file").write_bytes(b"A" * 600_000)
    (tree / "next").write_bytes(b"B" * 600_000)
    interfere(monkeypatch, lambda: (tree / "next").rename(tree / "file"))
    old = errand_of(etags, root)
    assert do(old) is None
    new = errand_of(etags, root)
    assert new != old
    assert do(new) == tag_of(b"B" * 600_000)


def test_an_errand_for_a_version_that_has_gone_comes_to_nothing(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nor is anything read for it.
    monkeypatch.delattr(os, "preadv")
    (tree / "file").write_bytes(b"old")
    errand = errand_of(etags, root)
    (tree / "file").unlink()
    assert do(errand) is None
    (tree / "file").write_bytes(b"new")
    assert do(errand) is None
    (tree / "file").unlink()
    (tree / "file").symlink_to("../outside/secret")
    assert do(errand) is None


def test_a_file_that_loses_bytes_is_given_up(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "file").write_bytes(b"x")
    monkeypatch.setattr(os, "preadv", lambda *_: 0)
    assert do(errand_of(etags, root)) is None


def test_what_can_not_be_read_is_said(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", fail)
    (tree / "file").write_bytes(b"x")
    assert do(errand_of(etags, root)) is None
    assert caplog.messages == ["'file' can't be read for its entity-tag: Input/output error"]


def test_an_order_to_stop_is_obeyed(etags: ContentEtags, root: Root, tree: Path, store: EtagStore) -> None:
    (tree / "file").write_bytes(bytes(600_000))
    answers = iter([False, True])
    assert do(errand_of(etags, root), lambda: next(answers)) is None
    assert len(store) == 0


# Clocks that tick.


def test_what_has_just_changed_can_change_unnoticed(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 1_700_000_000 * NS_PER_S
    monkeypatch.setattr(time, "time_ns", lambda: now_ns)
    assert unsettled_ns(now_ns - 1) == 20_000_000 - 1
    assert unsettled_ns(now_ns - 20_000_000) == 0
    assert unsettled_ns(now_ns + 1) == 20_000_001
    # A whole second is the work of a clock that has no others, and perhaps only every second of them.
    assert unsettled_ns(now_ns) == 2 * NS_PER_S
    assert unsettled_ns(now_ns - NS_PER_S) == NS_PER_S
    assert unsettled_ns(now_ns - 2 * NS_PER_S) == 0
    assert unsettled_ns(1) == 0


def test_reading_begins_when_the_tick_is_over(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "file").write_bytes(b"x")
    ctime_ns = (tree / "file").stat().st_ctime_ns
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setattr(time, "time_ns", lambda: ctime_ns + 5_000_000)
    assert do(errand_of(etags, root)) == tag_of(b"x")
    assert slept == [0.015]


@pytest.mark.parametrize("ahead_ns", [5_000_000, 3600 * NS_PER_S])
def test_what_would_take_long_to_settle_is_left_for_another_time(
    ahead_ns: int, etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file from the future, or of a file system with whole seconds: nobody waits for two seconds."""
    (tree / "file").write_bytes(b"x")
    ctime_ns = (tree / "file").stat().st_ctime_ns
    monkeypatch.delattr(time, "sleep")
    monkeypatch.setattr(time, "time_ns", lambda: ctime_ns - ahead_ns)
    assert do(errand_of(etags, root)) is None


# What is kept.


def version(number: int) -> FileVersion:
    return FileVersion(1, number, 1, 1, 1)


def test_what_is_kept_is_bounded_and_what_nobody_asks_for_goes_first() -> None:
    store = EtagStore(most=2)
    store.keep(version(1), b'"1"')
    store.keep(version(2), b'"2"')
    assert store.find(version(1)) == b'"1"'
    store.keep(version(3), b'"3"')
    assert [store.find(version(number)) for number in (1, 2, 3)] == [b'"1"', None, b'"3"']
    assert len(store) == 2


def test_nothing_is_hidden(etags: ContentEtags) -> None:
    assert not etags.hides(b"a.etag")


def test_only_files_on_a_disk_have_versions() -> None:
    with pytest.raises(TypeError):
        version_of(memory_file())
