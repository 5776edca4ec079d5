from __future__ import annotations

import os
from pathlib import Path

import pytest

from ktlsserve.files.open_file import FileVersion, OpenFile
from tests.support.waiting import wait_until


def open_file(path: Path) -> OpenFile:
    fd = os.open(path, os.O_RDONLY)
    return OpenFile(fd, os.fstat(fd))


def is_open(fd: int) -> bool:
    return Path(f"/proc/self/fd/{fd}").is_symlink()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "a.txt"
    file.write_bytes(b"hello")
    os.utime(file, ns=(0, 784_111_777_123_456_789))
    return file


def test_what_the_reply_says(path: Path) -> None:
    file = open_file(path)
    status = path.stat()
    assert (file.size, file.mtime_ns, file.is_directory) == (5, 784_111_777_123_456_789, False)
    assert (file.device, file.inode) == (status.st_dev, status.st_ino)
    # RFC 9110 section 5.6.7 has this very date.
    assert file.last_modified == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert file.etag == b'"ae1b981c3a4d715-5"'
    file.release()


def test_folder(tmp_path: Path) -> None:
    folder = open_file(tmp_path)
    assert folder.is_directory
    folder.release()


@pytest.mark.parametrize(
    ("mtime_s", "expected"),
    [
        (0, b"Thu, 01 Jan 1970 00:00:00 GMT"),
        (-1, b"Wed, 31 Dec 1969 23:59:59 GMT"),
        (1 << 33, b"Wed, 16 Mar 2242 12:56:32 GMT"),
    ],
)
def test_times_far_away(path: Path, mtime_s: int, expected: bytes) -> None:
    os.utime(path, (0, mtime_s))
    file = open_file(path)
    assert file.last_modified == expected
    file.release()


def test_fraction_of_a_second_is_cut_not_rounded(path: Path) -> None:
    os.utime(path, ns=(0, 784_111_777_999_999_999))
    file = open_file(path)
    assert file.last_modified == b"Sun, 06 Nov 1994 08:49:37 GMT"
    file.release()


def test_etag_changes_with_the_time_and_with_the_size(path: Path) -> None:
    etags = set()
    for mtime_ns, length in [(1, 5), (2, 5), (1, 6)]:
        os.truncate(path, length)
        os.utime(path, ns=(0, mtime_ns))
        file = open_file(path)
        etags.add(file.etag)
        file.release()
    assert len(etags) == 3


def test_last_release_closes(path: Path) -> None:
    file = open_file(path)
    fd = file.fd
    assert file.retain() is file
    file.release()
    assert is_open(fd)
    assert not file.closed
    file.release()
    assert not is_open(fd)
    assert file.closed


def test_use_after_the_last_release(path: Path) -> None:
    file = open_file(path)
    file.release()
    with pytest.raises(ValueError, match="closed"):
        _ = file.fd
    with pytest.raises(ValueError, match="closed"):
        file.retain()
    with pytest.raises(ValueError, match="more often"):
        file.release()


def test_one_release_too_many_closes_nobody_elses_file(path: Path) -> None:
    file = open_file(path)
    fd = file.fd
    file.release()
    other = os.open(path, os.O_RDONLY)
    assert other == fd
    with pytest.raises(ValueError, match="more often"):
        file.release()
    assert is_open(other)
    os.close(other)


def test_what_was_known_stays_known_after_close(path: Path) -> None:
    file = open_file(path)
    file.release()
    assert file.size == 5
    assert file.last_modified.endswith(b"GMT")


def test_a_version_is_what_the_kernel_says(path: Path) -> None:
    file = open_file(path)
    assert file.version == FileVersion.of(path.stat())
    assert (file.version.inode, file.version.size, file.version.mtime_ns) == (file.inode, 5, 784_111_777_123_456_789)
    file.release()


def test_a_change_that_hides_behind_size_and_time_is_another_version(path: Path) -> None:
    before = FileVersion.of(path.stat())

    def change() -> bool:
        path.write_bytes(b"HELLO")
        os.utime(path, ns=(0, before.mtime_ns))
        return path.stat().st_ctime_ns != before.ctime_ns

    wait_until(change, "the next tick of the file system's clock")
    after = FileVersion.of(path.stat())
    assert after != before
    assert after._replace(ctime_ns=0) == before._replace(ctime_ns=0)
