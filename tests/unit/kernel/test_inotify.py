from __future__ import annotations

import ctypes
import errno
import os
import select
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ktlsserve.kernel import inotify
from ktlsserve.kernel.inotify import ChangeNotices


@pytest.fixture
def notices() -> Iterator[ChangeNotices]:
    made = ChangeNotices()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "inner").mkdir()
    return tmp_path


def readable(notices: ChangeNotices) -> bool:
    return bool(select.select([notices.fileno()], [], [], 0)[0])


def watch(notices: ChangeNotices, *paths: Path) -> None:
    for path in paths:
        assert notices.watch(os.fsencode(path))


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda folder: (folder / "file").write_bytes(b"changed"),
    "appended to": lambda folder: os.truncate(folder / "file", 100),
    "permissions": lambda folder: (folder / "file").chmod(0o600),
    "times": lambda folder: os.utime(folder / "file", (1, 1)),
    "removed": lambda folder: (folder / "file").unlink(),
    "renamed": lambda folder: (folder / "file").rename(folder / "other"),
    "replaced": lambda folder: (folder / "inner").rename(folder / "elsewhere"),
    "created": lambda folder: (folder / "new").touch(),
    "linked": lambda folder: (folder / "new").symlink_to("file"),
    "moved in": lambda folder: (folder / "inner").replace(folder / "moved"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed_before_its_call_returns(change: str, notices: ChangeNotices, folder: Path) -> None:
    watch(notices, folder, folder / "file")
    assert not readable(notices)
    assert not notices.take()
    CHANGES[change](folder)
    assert readable(notices)
    assert notices.take()
    assert not notices.take()


def test_reading_is_no_change(notices: ChangeNotices, folder: Path) -> None:
    watch(notices, folder, folder / "file")
    (folder / "file").read_bytes()
    list(folder.iterdir())
    assert not readable(notices)


def test_what_lies_deeper_must_be_watched_itself(notices: ChangeNotices, folder: Path) -> None:
    watch(notices, folder)
    (folder / "inner" / "new").touch()
    assert not notices.take()
    watch(notices, folder / "inner")
    (folder / "inner" / "newer").touch()
    assert notices.take()


def test_after_a_notice_everything_is_watched_anew(notices: ChangeNotices, folder: Path) -> None:
    """The path may mean another file by then: the first one's successor is not watched by having been."""
    watch(notices, folder / "file")
    (folder / "next").write_bytes(b"next")
    (folder / "next").rename(folder / "file")
    assert notices.take()
    watch(notices, folder / "file")
    (folder / "file").write_bytes(b"changed again")
    assert notices.take()


def test_watching_twice_costs_nothing(notices: ChangeNotices, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(notices, folder)

    class Refusing:
        """No system call may be made."""

    monkeypatch.setattr(inotify, "_libc", Refusing())
    watch(notices, folder)


def test_watches_are_counted_and_given_up_together(notices: ChangeNotices, folder: Path) -> None:
    watch(notices, folder, folder / "file", folder / "inner", folder / "missing")
    # A second way to the same file is no second watch.
    watch(notices, folder / "inner" / ".." / "file")
    assert len(notices) == 3
    (folder / "file").unlink()
    notices.unwatch_all()
    assert len(notices) == 0
    notices.take()
    (folder / "new").touch()
    assert not notices.take()
    watch(notices, folder)
    (folder / "newer").touch()
    assert notices.take()


def test_what_does_not_exist_is_watched_through_its_folder(notices: ChangeNotices, folder: Path) -> None:
    watch(notices, folder, folder / "missing")
    (folder / "missing").touch()
    assert notices.take()


def test_what_can_not_be_watched_is_told(notices: ChangeNotices, folder: Path) -> None:
    # A file that is used as a folder.
    assert not notices.watch(os.fsencode(folder / "file" / "below"))
    assert not notices.watch(b"/" + b"x" * 300)


def test_a_limit_of_the_kernel_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted:
        @staticmethod
        def inotify_init1(_flags: int) -> int:
            ctypes.set_errno(errno.EMFILE)
            return -1

    monkeypatch.setattr(inotify, "_libc", Exhausted())
    with pytest.raises(OSError, match="Too many open files") as caught:
        ChangeNotices()
    assert caught.value.errno == errno.EMFILE


def test_closing_gives_the_descriptor_back_once() -> None:
    made = ChangeNotices()
    fd = made.fileno()
    made.close()
    made.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
