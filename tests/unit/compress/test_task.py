from __future__ import annotations

import os
from pathlib import Path

import pytest

from ktlsserve.compress.task import FileChanged, Stopped, open_regular, read_unchanged


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "a").write_bytes(content)
    file, status = open_regular(tmp_path / "a")
    with file:
        assert b"".join(read_unchanged(file, status)) == content
        assert status.st_size == len(content)


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_only_files_are_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    before = os.listdir("/proc/self/fd")  # noqa: PTH208  (names are all that is wanted)
    with pytest.raises(FileChanged, match="not a regular file"):
        open_regular(path)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "link").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        open_regular(tmp_path / "link")


def test_a_change_while_it_is_read_is_seen_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(100_000))
    file, status = open_regular(path)
    with file:
        pieces = read_unchanged(file, status)
        next(pieces)
        with path.open("ab") as writer:
            writer.write(b"more")
        with pytest.raises(FileChanged, match="changed while it was read"):
            list(pieces)


def test_reading_stops_when_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(300_000))
    file, status = open_regular(tmp_path / "a")
    stop = False
    with file:
        pieces = read_unchanged(file, status, lambda: stop)
        next(pieces)
        stop = True
        with pytest.raises(Stopped):
            next(pieces)
