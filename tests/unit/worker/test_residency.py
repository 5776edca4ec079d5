from __future__ import annotations

import errno
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ktlsserve.files.open_file import OpenFile
from ktlsserve.files.root import Root
from ktlsserve.worker import residency as module
from ktlsserve.worker.residency import WINDOW_BYTES, Residency
from tests.support.memory_site import memory_file

MIB = 1 << 20


@dataclass
class PageCache:
    """A fake preadv: EAGAIN for what is cold, ``refusal`` where the file system takes no RWF_NOWAIT."""

    cold: set[int] = field(default_factory=set)
    refusal: int = 0
    asked: list[int] = field(default_factory=list)

    def preadv(self, fd: int, buffers: list[bytearray], offset: int, flags: int = 0) -> int:
        assert flags == 8, "RWF_NOWAIT"
        if self.refusal:
            raise OSError(self.refusal, os.strerror(self.refusal))
        self.asked.append(offset)
        (buffer,) = buffers
        if self.cold & {*range(offset, offset + len(buffer), 4096), offset + len(buffer) - 1}:
            raise BlockingIOError
        data = os.pread(fd, len(buffer), offset)
        buffer[: len(data)] = data
        return len(data)


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> PageCache:
    fake = PageCache()
    monkeypatch.setattr(os, "preadv", fake.preadv)
    monkeypatch.setattr(module, "_RWF_NOWAIT", 8)
    return fake


@pytest.fixture
def unknown(cache: PageCache, monkeypatch: pytest.MonkeyPatch) -> PageCache:
    """Make it a file system of which nothing is known."""
    cache.refusal = errno.EOPNOTSUPP
    monkeypatch.setattr(module, "file_system_type", lambda _device: "fuse.sshfs")
    return cache


@pytest.fixture
def residency() -> Residency:
    made = Residency()
    made.now_s = 100.0
    return made


def opened(folder: Path, size: int) -> OpenFile:
    with (folder / f"{size}").open("wb") as file:
        file.truncate(size)
    with Root(folder) as root:
        return root.open(b"%d" % size)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[OpenFile]:
    file = opened(tmp_path, 5000)
    yield file
    file.release()


@pytest.fixture
def large(tmp_path: Path) -> Iterator[OpenFile]:
    file = opened(tmp_path, 5 * MIB + 100)
    yield file
    file.release()


# A file system that tells.


def test_a_small_file_is_asked_about_once_a_second(cache: PageCache, residency: Residency, small: OpenFile) -> None:
    assert residency.at_hand(small, 0, 5000)
    residency.now_s += 0.9
    assert residency.at_hand(small, 0, 5000)
    assert residency.at_hand(small, 10, 20)
    assert cache.asked == [0, 4999]
    residency.now_s += 0.2
    cache.cold = {4999}
    assert not residency.at_hand(small, 0, 5000)


def test_a_part_says_nothing_of_the_whole(cache: PageCache, residency: Residency, small: OpenFile) -> None:
    cache.cold = {4096}
    assert residency.at_hand(small, 0, 100)
    assert not residency.at_hand(small, 4000, 97)


def test_a_window_costs_two_questions(cache: PageCache, residency: Residency, large: OpenFile) -> None:
    assert residency.at_hand(large, 0, 1)
    cache.asked.clear()
    assert residency.at_hand(large, MIB, WINDOW_BYTES)
    assert cache.asked == [MIB + MIB // 2 - 1, 2 * MIB - 1]


@pytest.mark.parametrize("cold", [2 * MIB - 1, MIB + MIB // 2 - 1])
def test_a_window_that_is_half_there_is_not(cold: int, cache: PageCache, residency: Residency, large: OpenFile) -> None:
    cache.cold = {cold}
    assert not residency.at_hand(large, MIB, WINDOW_BYTES)
    assert residency.at_hand(large, 2 * MIB, WINDOW_BYTES)


def test_the_end_of_a_file_that_shrank_is_at_hand(cache: PageCache, residency: Residency, large: OpenFile) -> None:
    os.truncate(f"/proc/self/fd/{large.fd}", 100)
    assert residency.at_hand(large, MIB, WINDOW_BYTES)
    assert residency.read(large, MIB, 50) is None


def test_what_is_there_is_read_and_what_is_not_is_not(cache: PageCache, residency: Residency, small: OpenFile) -> None:
    assert residency.read(small, 10, 4990) == bytes(4990)
    cache.cold = {4999}
    assert residency.read(small, 10, 4990) is None


def test_a_read_changes_nothing_where_the_kernel_tells(cache: PageCache, residency: Residency, small: OpenFile) -> None:
    cache.cold = {4999}
    residency.note_read(small, 0, 5000)
    assert not residency.at_hand(small, 0, 5000)


def test_a_cold_file_is_found_out_on_this_machine(tmp_path: Path, residency: Residency) -> None:
    """The kernel's own answer, after its pages were dropped; where the file system is memory there is nothing cold."""
    path = tmp_path / "real"
    path.write_bytes(os.urandom(MIB))
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    with Root(tmp_path) as root:
        file = root.open(b"real")
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    kind = residency._kind(file)
    if kind is module.Kind.TELLS:
        # Whoever asked for its kind has asked for its first page: the last one is untouched.
        assert not residency.at_hand(file, 0, MIB)
    os.pread(file.fd, MIB, 0)
    assert residency.at_hand(file, 0, MIB) is (kind is not module.Kind.UNKNOWN)
    file.release()


# Others.


def test_memory_is_at_hand_for_ever(
    cache: PageCache, residency: Residency, small: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.refusal = errno.EOPNOTSUPP
    monkeypatch.setattr(module, "file_system_type", lambda _device: "tmpfs")
    assert residency.at_hand(small, 0, 5000)
    assert small.at_hand_until_s == math.inf
    assert residency.read(small, 0, 5000) == bytes(5000)


@pytest.mark.parametrize("refusal", [errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_nothing_is_known_a_file_is_read_first(
    refusal: int, unknown: PageCache, residency: Residency, small: OpenFile
) -> None:
    unknown.refusal = refusal
    assert not residency.at_hand(small, 0, 5000)
    assert residency.read(small, 0, 5000) is None
    residency.note_read(small, 0, 5000)
    assert residency.at_hand(small, 0, 5000)
    assert residency.read(small, 0, 5000) == bytes(5000)
    residency.now_s += 10
    assert not residency.at_hand(small, 0, 5000)


@pytest.mark.usefixtures("unknown")
def test_what_was_read_of_a_large_file_is_remembered_by_window(residency: Residency, large: OpenFile) -> None:
    residency.note_read(large, 0, WINDOW_BYTES)
    residency.note_read(large, 2 * WINDOW_BYTES, 500)
    residency.note_read(large, 3 * WINDOW_BYTES + 1, WINDOW_BYTES - 1)
    residency.note_read(large, 5 * WINDOW_BYTES, 100)
    there = [residency.at_hand(large, number * WINDOW_BYTES, 1) for number in range(6)]
    assert there == [True, False, False, False, False, True]
    residency.now_s += 10
    assert not residency.at_hand(large, 0, 1)
    residency.note_read(large, WINDOW_BYTES, WINDOW_BYTES)
    assert large.windows_read == {1}


def test_without_the_call_nothing_is_known(
    unknown: PageCache, residency: Residency, small: OpenFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RWF_NOWAIT", None)
    assert not residency.at_hand(small, 0, 5000)
    assert unknown.asked == []


def test_a_device_is_learnt_once(unknown: PageCache, residency: Residency, small: OpenFile, large: OpenFile) -> None:
    assert not residency.at_hand(small, 0, 10)
    unknown.refusal = 0
    assert not residency.at_hand(large, 0, 10)


# Nothing to ask about.


@pytest.mark.usefixtures("unknown")
def test_not_enabled_everything_is_at_hand(small: OpenFile) -> None:
    residency = Residency(enabled=False)
    assert residency.at_hand(small, 0, 5000)
    assert residency.read(small, 0, 5000) == bytes(5000)


@pytest.mark.usefixtures("unknown")
def test_what_is_no_file_of_the_disk_is_at_hand(residency: Residency) -> None:
    assert residency.at_hand(memory_file(b"x"), 0, 1)
