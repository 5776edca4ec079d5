"""Somebody rearranges the tree while files are opened from it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ktlsserve.errors import RequestError
from ktlsserve.files.root import Root

ATTEMPTS = 3000


@contextmanager
def meanwhile(step: Callable[[], None]) -> Iterator[None]:
    """Repeat ``step`` in a thread until the block ends; what it raises fails the test."""
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            while not done.is_set():
                step()
        except BaseException as error:  # noqa: BLE001 - handed to the thread of the test
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert not failures


def open_often(root: Root, path: bytes) -> set[bytes | int]:
    """Return every content and every status that many opens of one path came to."""
    seen: set[bytes | int] = set()
    for _ in range(ATTEMPTS):
        try:
            file = root.open(path)
        except RequestError as error:
            seen.add(error.status)
            continue
        seen.add(os.pread(file.fd, 100, 0))
        file.release()
    return seen


def test_folder_swapped_for_a_link_to_the_outside(tree: Path, root: Root) -> None:
    folder, aside, link = tree / "folder", tree / "aside", tree / "link"
    folder.mkdir()
    (folder / "secret").write_bytes(b"from inside")
    link.symlink_to("../outside")

    def swap() -> None:
        folder.rename(aside)
        link.rename(folder)
        folder.rename(link)
        aside.rename(folder)

    with meanwhile(swap):
        seen = open_often(root, b"folder/secret")
    assert b"from outside" not in seen
    assert seen <= {b"from inside", 404, 503}
    # When the swapping is over, the folder is what it was.
    file = root.open(b"folder/secret")
    assert file.size == len(b"from inside")
    file.release()


def test_file_swapped_for_a_link_to_the_outside(tree: Path, root: Root) -> None:
    file, new = tree / "file", tree / "new"

    def swap() -> None:
        new.symlink_to("../secret")
        new.rename(file)
        new.write_bytes(b"from inside")
        new.rename(file)

    swap()
    with meanwhile(swap):
        seen = open_often(root, b"file")
    assert b"from outside" not in seen
    assert seen <= {b"from inside", 404, 503}


def test_folder_moved_out_while_a_link_climbs_from_it(tree: Path, root: Root) -> None:
    # The link's ".." leads outside for as long as its folder lies there: the case that EAGAIN is for.
    inner, moved = tree / "a" / "b", tree.parent / "b"
    inner.mkdir(parents=True)
    (inner / "up").symlink_to("../secret")
    (tree / "a" / "secret").write_bytes(b"from inside")

    def move() -> None:
        inner.rename(moved)
        moved.rename(inner)

    with meanwhile(move):
        seen = open_often(root, b"a/b/up")
    assert b"from outside" not in seen
    assert seen <= {b"from inside", 404, 503}


def test_file_replaced_by_rename_is_always_whole(tree: Path, root: Root) -> None:
    file, new = tree / "file", tree / "new"

    def replace() -> None:
        for text in (b"old", b"replacement"):
            new.write_bytes(text)
            new.rename(file)

    replace()
    with meanwhile(replace):
        seen = open_often(root, b"file")
    assert seen <= {b"old", b"replacement"}
    assert seen


def test_swap_between_two_steps_of_the_walk(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "secret").write_bytes(b"from inside")
    real_open = os.open
    steps: list[object] = []

    def open_and_swap(path: bytes, flags: int, *, dir_fd: int) -> int:
        fd = real_open(path, flags, dir_fd=dir_fd)
        steps.append(path)
        if path == b"a":
            (tree / "a" / "b").rename(tree / "b")
            (tree / "a" / "b").symlink_to("../../outside")
        return fd

    with Root(tree, use_openat2=False) as root:
        monkeypatch.setattr(os, "open", open_and_swap)
        with pytest.raises(RequestError) as caught:
            root.open(b"a/b/secret")
    assert caught.value.status == 404
    assert steps == [b"a"]


def test_folder_moved_between_two_steps_of_the_walk(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the walk holds stays what it was: the file of the folder that was inside when it got there.
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "secret").write_bytes(b"from inside")
    real_open = os.open

    def open_and_move(path: bytes, flags: int, *, dir_fd: int) -> int:
        fd = real_open(path, flags, dir_fd=dir_fd)
        if path == b"b":
            (tree / "a").rename(tree / "moved")
            (tree / "a").symlink_to("..")
        return fd

    with Root(tree, use_openat2=False) as root:
        monkeypatch.setattr(os, "open", open_and_move)
        file = root.open(b"a/b/secret")
        monkeypatch.undo()
        assert os.pread(file.fd, 100, 0) == b"from inside"
        file.release()
