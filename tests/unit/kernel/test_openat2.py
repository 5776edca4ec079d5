from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ktlsserve.kernel import openat2 as module
from ktlsserve.kernel.openat2 import (
    RESOLVE_BENEATH,
    RESOLVE_IN_ROOT,
    RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS,
    RESOLVE_NO_XDEV,
    OpenHow,
    openat2,
    supported,
)

needs_openat2 = pytest.mark.skipif(not supported(), reason="probed openat2(2): this kernel or its sandbox has none")


def answering(*errors: int) -> Callable[..., int]:
    """Stand in for the system call: fail with each of ``errors``, then return descriptor 1234."""
    left = list(errors)

    def syscall(*_: object) -> int:
        if not left:
            return 1234
        ctypes.set_errno(left.pop(0))
        return -1

    return syscall


def test_structure_is_that_of_the_kernel() -> None:
    # include/uapi/linux/openat2.h: three __u64, OPEN_HOW_SIZE_VER0 == 24.
    assert ctypes.sizeof(OpenHow) == 24
    assert (OpenHow.flags.offset, OpenHow.mode.offset, OpenHow.resolve.offset) == (0, 8, 16)


@needs_openat2
class TestTheCall:
    def open(self, folder: Path, path: bytes, resolve: int, flags: int = os.O_RDONLY | os.O_CLOEXEC) -> bytes:
        folder_fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            fd = openat2(folder_fd, path, OpenHow(flags=flags, resolve=resolve))
            try:
                assert not os.get_inheritable(fd)
                return os.read(fd, 100)
            finally:
                os.close(fd)
        finally:
            os.close(folder_fd)

    def test_opens_relative_to_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"content")
        assert self.open(tmp_path, b"file", RESOLVE_BENEATH) == b"content"

    @pytest.mark.parametrize(
        ("path", "resolve", "expected"),
        [
            (b"missing", RESOLVE_BENEATH, errno.ENOENT),
            (b"file/", RESOLVE_BENEATH, errno.ENOTDIR),
            (b"..", RESOLVE_BENEATH, errno.EXDEV),
            (b"/etc/passwd", RESOLVE_BENEATH, errno.EXDEV),
            (b"out", RESOLVE_BENEATH, errno.EXDEV),
            (b"link", RESOLVE_NO_SYMLINKS, errno.ELOOP),
            (b"magic/cwd", RESOLVE_NO_MAGICLINKS, errno.ELOOP),
            (b"magic", RESOLVE_NO_XDEV, errno.EXDEV),
            (b"/etc/passwd", RESOLVE_IN_ROOT, errno.ENOENT),
            (b"x" * 256, RESOLVE_BENEATH, errno.ENAMETOOLONG),
        ],
    )
    def test_fails_with_the_errno_of_the_kernel(self, tmp_path: Path, path: bytes, resolve: int, expected: int) -> None:
        (tmp_path / "file").write_bytes(b"content")
        (tmp_path / "link").symlink_to("file")
        (tmp_path / "out").symlink_to("..")
        (tmp_path / "magic").symlink_to("/proc/self")
        with pytest.raises(OSError, match=r".*") as caught:
            self.open(tmp_path, path, resolve)
        assert caught.value.errno == expected
        assert caught.value.strerror == os.strerror(expected)
        assert caught.value.filename == path

    def test_errors_are_those_of_os(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            self.open(tmp_path, b"missing", RESOLVE_BENEATH)

    def test_unknown_flags_are_refused(self, tmp_path: Path) -> None:
        # openat() ignores them; that openat2() doesn't is how supported() can tell.
        with pytest.raises(OSError, match="Invalid argument"):
            self.open(tmp_path, b".", 1 << 63)

    def test_one_structure_serves_many_calls(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"content")
        how = OpenHow(flags=os.O_RDONLY | os.O_CLOEXEC, resolve=RESOLVE_BENEATH)
        folder_fd = os.open(tmp_path, os.O_PATH)
        for _ in range(3):
            os.close(openat2(folder_fd, b"file", how))
        os.close(folder_fd)
        assert (how.flags, how.mode, how.resolve) == (os.O_RDONLY | os.O_CLOEXEC, 0, RESOLVE_BENEATH)

    def test_a_path_is_never_cut_at_a_nul(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"content")
        with pytest.raises(ValueError, match="null byte"):
            self.open(tmp_path, b"file\0.html", RESOLVE_BENEATH)

    def test_supported_leaves_no_descriptor(self) -> None:
        lowest_free = os.dup(0)
        os.close(lowest_free)
        assert supported()
        assert os.dup(0) == lowest_free
        os.close(lowest_free)


def test_an_interrupted_call_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_syscall", answering(errno.EINTR, errno.EINTR))
    assert openat2(3, b"file", OpenHow()) == 1234


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errno.ENOSYS, False),  # before Linux 5.6, gVisor
        (errno.EPERM, False),  # seccomp filters that don't know the call
        (errno.EINVAL, False),  # a flag is unknown
        (errno.E2BIG, False),  # the structure is
        (errno.EBADF, True),  # it went as far as the descriptor
    ],
)
def test_supported_tells_by_the_errno(monkeypatch: pytest.MonkeyPatch, error: int, expected: bool) -> None:
    monkeypatch.setattr(module, "_syscall", answering(error))
    assert supported() is expected


def test_supported_closes_what_it_did_not_mean_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[int] = []
    monkeypatch.setattr(module, "_syscall", answering())
    monkeypatch.setattr(os, "close", closed.append)
    assert supported()
    assert closed == [1234]
