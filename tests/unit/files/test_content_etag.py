from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from ktlsserve.errors import RequestError
from ktlsserve.files.content_etag import ContentEtags, FileVersion
from ktlsserve.files.etag_sidecar import content_etag, pack_sidecar
from ktlsserve.files.root import Root
from tests.support.waiting import wait_until

INLINE_BYTES = 100
SHORT = b"0123456789" * 10
LONG = b"0123456789" * 11
# The time of change of a file can't be set, so the question is asked an hour later.
LATER_S = int(time.time()) + 3600


def tag(content: bytes) -> bytes:
    return content_etag(sha256(content).hexdigest().encode())


@pytest.fixture
def etags(root: Root) -> Iterator[ContentEtags]:
    made = ContentEtags(root, inline_bytes=INLINE_BYTES)
    yield made
    made.close()


def ask(etags: ContentEtags, root: Root, path: bytes = b"file", now_s: int = LATER_S) -> bytes | None:
    file = root.open(path)
    try:
        return etags.etag_of(file.fd, path, now_s)
    finally:
        file.release()


def ask_until_known(etags: ContentEtags, root: Root, path: bytes = b"file") -> bytes:
    return wait_until(lambda: ask(etags, root, path), "an entity-tag")


@contextmanager
def thread_held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let the thread wait before each read until the block ends; the event tells that it has begun."""
    begun, go_on = threading.Event(), threading.Event()
    preadv = os.preadv

    def slow_preadv(fd: int, buffers: list[memoryview], offset: int) -> int:
        begun.set()
        assert go_on.wait(60)
        return preadv(fd, buffers, offset)

    with monkeypatch.context() as patch:
        patch.setattr(os, "preadv", slow_preadv)
        try:
            yield begun
        finally:
            go_on.set()


@pytest.mark.parametrize("content", [b"", b"x", SHORT])
def test_short_files_have_a_tag_at_once(etags: ContentEtags, root: Root, tree: Path, content: bytes) -> None:
    (tree / "file").write_bytes(content)
    assert ask(etags, root) == tag(content)
    assert etags._thread is None


@pytest.mark.parametrize("content", [LONG, bytes(1_000_001)])
def test_long_files_have_one_once_they_have_been_read(
    etags: ContentEtags, root: Root, tree: Path, content: bytes
) -> None:
    (tree / "file").write_bytes(content)
    assert ask(etags, root) is None
    assert ask_until_known(etags, root) == tag(content)


def test_the_same_content_has_the_same_tag_whatever_the_time(etags: ContentEtags, root: Root, tree: Path) -> None:
    for name, time_s in (("a", 1), ("b", 2_000_000_000)):
        (tree / name).write_bytes(SHORT)
        os.utime(tree / name, (time_s, time_s))
    assert ask(etags, root, b"a") == ask(etags, root, b"b") == tag(SHORT)


def test_a_change_that_hides_behind_the_old_time_and_size_is_seen(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(b"before")
    os.utime(tree / "file", (1, 1))
    before = (tree / "file").stat()
    assert ask(etags, root) == tag(b"before")

    def change() -> bool:
        (tree / "file").write_bytes(b"after!")
        os.utime(tree / "file", (1, 1))
        return (tree / "file").stat().st_ctime_ns != before.st_ctime_ns

    wait_until(change, "the next tick of the file system's clock")
    assert ask(etags, root) == tag(b"after!")


def test_a_version_is_read_once(etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "short").write_bytes(SHORT)
    (tree / "long").write_bytes(LONG)
    ask(etags, root, b"short")
    ask_until_known(etags, root, b"long")
    monkeypatch.delattr(os, "preadv")
    assert ask(etags, root, b"short") == tag(SHORT)
    assert ask(etags, root, b"long") == tag(LONG)


@pytest.mark.parametrize("content", [SHORT, LONG])
def test_what_was_changed_just_now_may_change_again(
    etags: ContentEtags, root: Root, tree: Path, content: bytes
) -> None:
    (tree / "file").write_bytes(content)
    (tree / "file.etag").write_bytes(pack_sidecar(sha256(content).hexdigest().encode(), len(content)))
    changed_s = (tree / "file").stat().st_ctime_ns // 1_000_000_000
    for second in (-1, 0, 1):
        assert ask(etags, root, now_s=changed_s + second) is None
    assert ask(etags, root, now_s=changed_s + 3) == tag(content)


def test_a_file_that_changes_while_it_is_read_has_no_tag_yet(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "file").write_bytes(LONG)
    with thread_held_up(monkeypatch) as begun:
        assert ask(etags, root) is None
        assert begun.wait(60)
        (tree / "file").write_bytes(LONG + b"more")
    assert ask_until_known(etags, root) == tag(LONG + b"more")
    assert set(etags._etags.values()) == {None, tag(LONG + b"more")}


def test_a_file_that_loses_bytes_while_it_is_read_has_no_tag(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "file").write_bytes(SHORT)
    monkeypatch.setattr(os, "preadv", lambda *_: 0)
    assert ask(etags, root) is None


def test_what_can_not_be_read_is_said_once(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "preadv", fail)
    (tree / "file").write_bytes(SHORT)
    assert ask(etags, root) is None
    assert ask(etags, root) is None
    assert caplog.messages == ["'file' can't be read for its entity-tag: Input/output error"]


def write_sidecar(tree: Path, digest: bytes = b"ab" * 32, size: int = len(LONG), name: str = "file.etag") -> None:
    (tree / name).write_bytes(pack_sidecar(digest, size))
    os.utime(tree / name, ns=((tree / "file").stat().st_mtime_ns,) * 2)


def test_a_sidecar_saves_the_reading(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(LONG)
    write_sidecar(tree)
    assert ask(etags, root) == content_etag(b"ab" * 32)
    assert etags._thread is None


def test_a_sidecar_in_a_folder_is_found(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "docs").mkdir()
    (tree / "docs" / "file").write_bytes(LONG)
    write_sidecar(tree / "docs")
    assert ask(etags, root, b"docs/file") == content_etag(b"ab" * 32)


def test_short_files_need_no_sidecar(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(SHORT)
    write_sidecar(tree, size=len(SHORT))
    assert ask(etags, root) == tag(SHORT)


def test_a_sidecar_older_than_its_file_is_of_another_content(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(LONG)
    write_sidecar(tree)
    os.utime(tree / "file.etag", ns=((tree / "file").stat().st_mtime_ns - 1,) * 2)
    assert ask_until_known(etags, root) == tag(LONG)


def test_a_sidecar_for_another_size_is_of_another_content(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(LONG)
    write_sidecar(tree, size=len(LONG) + 1)
    assert ask_until_known(etags, root) == tag(LONG)


@pytest.mark.parametrize("data", [b"", b"nonsense", b"a" * 10_000, pack_sidecar(b"ab" * 32, len(LONG)) + b" " * 100])
def test_what_is_no_sidecar_is_ignored(etags: ContentEtags, root: Root, tree: Path, data: bytes) -> None:
    (tree / "file").write_bytes(LONG)
    (tree / "file.etag").write_bytes(data)
    assert ask_until_known(etags, root) == tag(LONG)


def test_a_folder_is_no_sidecar(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(LONG)
    (tree / "file.etag").mkdir()
    assert ask_until_known(etags, root) == tag(LONG)


def test_a_sidecar_outside_of_the_root_is_none(etags: ContentEtags, root: Root, tree: Path) -> None:
    (tree / "file").write_bytes(LONG)
    write_sidecar(tree, name="../outside/file.etag")
    (tree / "file.etag").symlink_to("../outside/file.etag")
    assert ask_until_known(etags, root) == tag(LONG)


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_sidecar_that_can_not_be_opened_is_none(root: Root, tree: Path, status: int) -> None:
    class Refuses:
        def open(self, _path: bytes) -> None:
            raise RequestError(status, "refused by the test")

    (tree / "file").write_bytes(LONG)
    etags = ContentEtags(Refuses(), inline_bytes=INLINE_BYTES)  # type: ignore[arg-type]
    assert ask_until_known(etags, root) == tag(LONG)
    etags.close()


def test_a_sidecar_that_can_not_be_read_is_said(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tree / "file").write_bytes(LONG)
    write_sidecar(tree)
    monkeypatch.setattr(os, "pread", fail)
    assert ask_until_known(etags, root) == tag(LONG)
    assert caplog.messages == ["'file.etag' can't be read: Input/output error"]


def test_no_more_files_wait_than_there_is_room_for(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [b"%d" % number for number in range(80)]
    for path in paths:
        (tree / os.fsdecode(path)).write_bytes(LONG + path)
    with thread_held_up(monkeypatch) as begun:
        assert ask(etags, root, paths[0]) is None
        assert begun.wait(60)
        for path in paths:
            assert ask(etags, root, path) is None
        assert len(etags._waiting) == 64
    assert [ask_until_known(etags, root, path) for path in paths] == [tag(LONG + path) for path in paths]


def test_without_a_descriptor_to_spare_there_is_no_tag_yet(
    etags: ContentEtags, root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fd: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    (tree / "file").write_bytes(LONG)
    with monkeypatch.context() as patch:
        patch.setattr(os, "dup", fail)
        assert ask(etags, root) is None
    assert ask_until_known(etags, root) == tag(LONG)


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(root: Root, tree: Path) -> None:
    etags = ContentEtags(root, kept_files=2)
    versions = {}
    for name in ("a", "b", "c"):
        (tree / name).write_bytes(b"content of " + name.encode())
        with (tree / name).open("rb") as file:
            versions[name] = FileVersion.of(file.fileno())
    for path in (b"a", b"b", b"a", b"c"):
        ask(etags, root, path)
    assert list(etags._etags) == [versions["a"], versions["c"]]
    etags.close()


def test_closing_stops_the_thread_and_gives_up_what_waits(
    root: Root, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etags = ContentEtags(root, inline_bytes=INLINE_BYTES)
    for name in ("a", "b"):
        (tree / name).write_bytes(LONG)
    with thread_held_up(monkeypatch) as begun:
        ask(etags, root, b"a")
        assert begun.wait(60)
        ask(etags, root, b"b")
        closer = threading.Thread(target=etags.close)
        closer.start()
        wait_until(lambda: etags._closing, "the closing")
    closer.join()
    assert etags._thread is not None
    assert not etags._thread.is_alive()
    assert set(etags._etags.values()) == {None}
    # The fixture that looks for descriptors left open has the last word.
    (tree / "late").write_bytes(LONG)
    assert ask(etags, root, b"late") is None
