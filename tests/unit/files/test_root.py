from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ktlsserve.errors import RequestError, RootError
from ktlsserve.files import root as module
from ktlsserve.files.open_file import OpenFile
from ktlsserve.files.root import Root
from ktlsserve.kernel.openat2 import supported

NOBODY = 65534


def content(root: Root, path: bytes) -> bytes:
    file = root.open(path)
    try:
        return os.pread(file.fd, 1 << 16, 0)
    finally:
        file.release()


def status(root: Root, path: bytes) -> int:
    """Return the status that opening ``path`` fails with, 200 if it succeeds."""
    try:
        root.open(path).release()
    except RequestError as error:
        return error.status
    return 200


@contextmanager
def as_nobody() -> Iterator[None]:
    """Lose root's right to read everything; an ordinary user has none to lose."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def file_beneath(folder: Path, levels: int) -> Iterator[None]:
    """Make a file f in that many nested folders named d, and clear them away: they are too deep for rmtree."""
    fds = [os.open(folder, os.O_PATH)]
    for _ in range(levels):
        os.mkdir("d", dir_fd=fds[-1])
        fds.append(os.open("d", os.O_PATH, dir_fd=fds[-1]))
        os.close(fds.pop(0))
    os.close(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=fds[0]))
    try:
        yield
    finally:
        os.unlink("f", dir_fd=fds[0])
        for _ in range(levels):
            fds.append(os.open("..", os.O_PATH, dir_fd=fds[-1]))
            os.rmdir("d", dir_fd=fds[-1])
            os.close(fds.pop(0))
        os.close(fds[0])


class TestFilesAndFolders:
    def test_regular_file(self, tree: Path, root: Root) -> None:
        (tree / "a.txt").write_bytes(b"hello")
        file = root.open(b"a.txt")
        assert (file.size, file.is_directory) == (5, False)
        assert os.pread(file.fd, 10, 0) == b"hello"
        file.release()

    def test_descriptor_is_not_inherited_and_does_not_block(self, tree: Path, root: Root) -> None:
        (tree / "a.txt").write_bytes(b"hello")
        file = root.open(b"a.txt")
        assert not os.get_inheritable(file.fd)
        assert not os.get_blocking(file.fd)
        file.release()

    @pytest.mark.parametrize(
        ("path", "inner"), [(b"", "docs"), (b"docs", "deep"), (b"docs/", "deep"), (b"docs/deep", "x")]
    )
    def test_folders(self, tree: Path, root: Root, path: bytes, inner: str) -> None:
        (tree / "docs" / "deep" / "x").mkdir(parents=True)
        file = root.open(path)
        assert file.is_directory
        with os.scandir(file.fd) as entries:
            assert [entry.name for entry in entries] == [inner]
        file.release()

    def test_slash_after_a_file(self, tree: Path, root: Root) -> None:
        (tree / "a.txt").touch()
        assert status(root, b"a.txt/") == 404
        assert status(root, b"a.txt/b") == 404

    @pytest.mark.parametrize("path", [b"missing", b"missing/", b"missing/file", b"docs/missing"])
    def test_missing(self, tree: Path, root: Root, path: bytes) -> None:
        (tree / "docs").mkdir()
        assert status(root, path) == 404

    def test_hard_links_are_files_like_others(self, tree: Path, root: Root) -> None:
        os.link(tree.parent / "secret", tree / "hard")
        assert content(root, b"hard") == b"from outside"

    def test_empty_and_sparse_files(self, tree: Path, root: Root) -> None:
        (tree / "empty").touch()
        with (tree / "big").open("wb") as big:
            big.truncate(5 << 30)
        empty, large = root.open(b"empty"), root.open(b"big")
        assert (empty.size, large.size) == (0, 5 << 30)
        assert os.pread(large.fd, 10, (5 << 30) - 2) == b"\0\0"
        empty.release()
        large.release()


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "grüße.txt".encode(),
            "日本語.html".encode(),
            "👩‍🚀".encode(),
            "e\u0301".encode(),  # not normalised to é
            b"\xff\xfe invalid UTF-8",
            b"\x01\x1b\x7f control",
            b" ",
            b"...",
            b"..data",
            b".hidden",
            b"a\\..\\b",
            b"%2e%2e",
            b"x" * 255,
        ],
    )
    def test_any_name(self, tree: Path, root: Root, name: bytes) -> None:
        folder = tree / os.fsdecode(name)
        folder.mkdir()
        (folder / folder.name).write_bytes(name)
        assert content(root, name + b"/" + name) == name

    def test_names_and_paths_longer_than_the_kernel_allows(self, root: Root) -> None:
        assert status(root, b"x" * 256) == 404
        assert status(root, b"x/" * 5000 + b"x") == 404

    @pytest.mark.parametrize(("levels", "expected"), [(2047, 200), (2048, 404)])
    def test_deep_paths(self, tree: Path, root: Root, levels: int, expected: int) -> None:
        # PATH_MAX is 4096 with the NUL: 2047 folders of one letter and a file of one make the longest path.
        with file_beneath(tree, levels):
            assert status(root, b"d/" * levels + b"f") == expected

    @pytest.mark.parametrize(
        "path",
        [
            b"/",
            b"/a.txt",
            b"/etc/passwd",
            b"//a.txt",
            b"docs//a.txt",
            b"docs//",
            b".",
            b"./a.txt",
            b"docs/.",
            b"docs/./a.txt",
            b"..",
            b"../",
            b"../secret",
            b"docs/..",
            b"docs/../a.txt",
            b"docs/../../secret",
            b"a.txt\0",
            b"a.txt\0.html",
            b"\0",
        ],
    )
    def test_paths_in_other_than_their_plain_form(self, tree: Path, root: Root, path: bytes) -> None:
        (tree / "docs").mkdir()
        (tree / "a.txt").touch()
        (tree / "docs" / "a.txt").touch()
        with pytest.raises(RequestError, match="plain form") as caught:
            root.open(path)
        assert caught.value.status == 404


class TestSymbolicLinks:
    def make_links(self, tree: Path) -> None:
        (tree / "docs").mkdir()
        (tree / "docs" / "a.txt").write_bytes(b"inside")
        for name, target in {
            "file": "docs/a.txt",
            "folder": "docs",
            "docs/up": "../docs/a.txt",
            "chain": "file",
            "..data": "docs",  # as Kubernetes lays out its volumes
            "a.txt": "..data/a.txt",
            "self": ".",
            "absolute": str(tree / "docs" / "a.txt"),
            "outside": "../outside",
            "secret": "../secret",
            "chained": "secret",
            "docs/secret": "../../secret",
            "passwd": "/etc/passwd",
            "slash": "/",
            "proc": "/proc/self/root",
            "parent": "..",
            "out-and-in": f"../{tree.name}/docs/a.txt",
            "loop": "loop",
            "loop-a": "loop-b",
            "loop-b": "loop-a",
            "dangling": "nowhere",
        }.items():
            (tree / name).symlink_to(target)

    @pytest.mark.parametrize(
        "path",
        [b"file", b"folder/a.txt", b"docs/up", b"chain", b"a.txt", b"..data/a.txt", b"self/self/docs/a.txt"],
    )
    def test_inside(self, tree: Path, root: Root, path: bytes) -> None:
        self.make_links(tree)
        if root.use_openat2:
            assert content(root, path) == b"inside"
        else:
            assert status(root, path) == 404

    def test_link_to_a_folder(self, tree: Path, root: Root) -> None:
        self.make_links(tree)
        assert status(root, b"folder") == status(root, b"folder/") == (200 if root.use_openat2 else 404)

    @pytest.mark.parametrize(
        "path",
        [
            b"absolute",  # leads out, although it comes back in
            b"outside",
            b"outside/secret",
            b"secret",
            b"chained",
            b"docs/secret",
            b"passwd",
            b"slash",
            b"slash/etc/passwd",
            b"proc/etc/passwd",
            b"parent",
            b"parent/secret",
            b"out-and-in",
        ],
    )
    def test_leading_out(self, tree: Path, root: Root, path: bytes) -> None:
        self.make_links(tree)
        assert status(root, path) == 404

    @pytest.mark.parametrize("path", [b"loop", b"loop-a", b"loop-b/x", b"dangling"])
    def test_leading_nowhere(self, tree: Path, root: Root, path: bytes) -> None:
        self.make_links(tree)
        assert status(root, path) == 404

    def test_forty_links_are_the_limit_of_the_kernel(self, tree: Path, root: Root) -> None:
        (tree / "0").write_bytes(b"end")
        for number in range(1, 42):
            (tree / str(number)).symlink_to(str(number - 1))
        assert status(root, b"40") == (200 if root.use_openat2 else 404)
        assert status(root, b"41") == 404


class TestOtherKinds:
    def test_fifo_is_neither_waited_for_nor_read(self, tree: Path, root: Root) -> None:
        os.mkfifo(tree / "fifo")
        assert status(root, b"fifo") == 403  # nobody writes: a blocking open would hang here
        both = os.open(tree / "fifo", os.O_RDWR | os.O_NONBLOCK)
        os.write(both, b"message")
        assert status(root, b"fifo") == 403
        assert os.read(both, 100) == b"message"
        os.close(both)

    def test_socket(self, tree: Path, root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tree)  # the path of a socket has 107 bytes at most
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("socket")
            assert status(root, b"socket") == 403

    @pytest.mark.parametrize("device", ["/dev/null", "/dev/zero"])
    def test_device(self, tree: Path, root: Root, device: str) -> None:
        source = Path(device).stat()
        try:
            os.mknod(tree / "device", source.st_mode, source.st_rdev)
            with (tree / "device").open("rb"):
                pass
        except OSError as error:
            pytest.skip(f"probed mknod and open of a device: {error.strerror}")
        assert status(root, b"device") == 403


class TestPermissions:
    def test_unreadable_file_and_folder(self, tree: Path, root: Root) -> None:
        (tree / "closed").write_bytes(b"secret")
        (tree / "closed").chmod(0)
        (tree / "folder").mkdir()
        (tree / "folder" / "a.txt").touch()
        (tree / "folder").chmod(0)
        tree.chmod(0o755)
        with as_nobody():
            assert status(root, b"closed") == 403
            assert status(root, b"folder/a.txt") == 403
            assert status(root, b"folder/") == 403
        (tree / "folder").chmod(0o755)

    def test_searchable_but_unreadable_folder_serves_its_files(self, tree: Path, root: Root) -> None:
        (tree / "folder").mkdir()
        (tree / "folder" / "a.txt").write_bytes(b"public")
        (tree / "folder").chmod(0o311)
        tree.chmod(0o311)
        with as_nobody():
            assert content(root, b"folder/a.txt") == b"public"
        tree.chmod(0o755)
        (tree / "folder").chmod(0o755)


class TestFailures:
    def test_no_descriptor_left(self, tree: Path, root: Root) -> None:
        (tree / "a.txt").touch()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            assert status(root, b"a.txt") == 503
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (errno.EXDEV, 404),
            (errno.EILSEQ, 404),
            (errno.EINVAL, 404),
            (errno.EPERM, 403),
            (errno.ENXIO, 403),
            (errno.ENODEV, 403),
            (errno.ENFILE, 503),
            (errno.ENOMEM, 503),
            (errno.EAGAIN, 503),
            (errno.EIO, 500),
            (errno.EUCLEAN, 500),
        ],
    )
    def test_status_of_each_errno(self, root: Root, monkeypatch: pytest.MonkeyPatch, error: int, expected: int) -> None:
        def fail(*_: object) -> int:
            raise OSError(error, os.strerror(error))

        monkeypatch.setattr(module, "openat2", fail)
        monkeypatch.setattr(module, "_walk", fail)
        with pytest.raises(RequestError, match=os.strerror(error)) as caught:
            root.open(b"a.txt")
        assert caught.value.status == expected

    def test_failure_after_the_open_closes_the_file(
        self, tree: Path, root: Root, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> OpenFile:
            raise MemoryError

        (tree / "a.txt").touch()
        monkeypatch.setattr(module, "OpenFile", fail)
        with pytest.raises(MemoryError):
            root.open(b"a.txt")

    @pytest.mark.parametrize(("failures", "expected"), [(31, 200), (32, 503)])
    def test_uncertain_opens_are_repeated_a_number_of_times(
        self, tree: Path, monkeypatch: pytest.MonkeyPatch, failures: int, expected: int
    ) -> None:
        (tree / "a.txt").touch()
        left = [BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))] * failures

        def uncertain(dir_fd: int, path: bytes, how: object) -> int:
            if left:
                raise left.pop()
            return os.open(path, os.O_RDONLY, dir_fd=dir_fd)

        monkeypatch.setattr(module, "openat2", uncertain)
        with Root(tree, use_openat2=True) as root:
            assert status(root, b"a.txt") == expected


class TestTheRootItself:
    def test_way_is_probed(self, tree: Path) -> None:
        with Root(tree) as root:
            assert root.use_openat2 is supported()

    @pytest.mark.parametrize("kind", [str, os.fsencode, Path])
    def test_path_of_any_type(self, tree: Path, kind: type) -> None:
        with Root(kind(tree)) as root:
            assert root.path == str(tree)

    def test_missing(self, tree: Path) -> None:
        with pytest.raises(RootError, match=r"can't serve '.*/missing': there is no such folder"):
            Root(tree / "missing")

    def test_no_folder(self, tree: Path) -> None:
        (tree / "file").touch()
        with pytest.raises(RootError, match="it is not a folder"):
            Root(tree / "file")

    def test_link_loop(self, tree: Path) -> None:
        (tree / "loop").symlink_to("loop")
        with pytest.raises(RootError, match="Too many levels of symbolic links"):
            Root(tree / "loop")

    def test_name_with_nul_and_name_in_invalid_utf8(self, tree: Path) -> None:
        with pytest.raises(RootError, match=r"'a\\x00b': a path holds no NUL"):
            Root("a\0b")
        with pytest.raises(RootError, match=r"'\\udcff': there is no such folder"):
            Root(b"\xff")

    def test_unsearchable(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tree.parent)
        tree.parent.chmod(0o755)
        tree.chmod(0)
        with as_nobody(), pytest.raises(RootError, match=r"user \d+ may not search it; give read and search"):
            Root(tree.name)
        tree.chmod(0o755)

    def test_reached_by_a_symbolic_link(self, tree: Path, use_openat2: bool) -> None:
        (tree / "a.txt").write_bytes(b"served")
        (tree.parent / "current").symlink_to(tree.name)
        with Root(tree.parent / "current", use_openat2=use_openat2) as root:
            assert content(root, b"a.txt") == b"served"

    def test_deployment_by_switching_the_link(self, tree: Path, use_openat2: bool) -> None:
        current = tree.parent / "current"
        for release in ("1", "2"):
            (tree / release).mkdir()
            (tree / release / "version").write_text(release)
        current.symlink_to("tree/1")
        with Root(current, use_openat2=use_openat2) as old:
            (tree.parent / "next").symlink_to("tree/2")
            (tree.parent / "next").rename(current)
            assert content(old, b"version") == b"1"
            with Root(current, use_openat2=use_openat2) as new:
                assert content(new, b"version") == b"2"

    def test_renamed_and_removed_while_open(self, tree: Path, root: Root) -> None:
        (tree / "a.txt").write_bytes(b"served")
        moved = tree.rename(tree.parent / "moved")
        assert content(root, b"a.txt") == b"served"
        (moved / "a.txt").unlink()
        moved.rmdir()
        assert status(root, b"a.txt") == 404

    def test_closed(self, tree: Path, use_openat2: bool) -> None:
        (tree / "a.txt").write_bytes(b"still open")
        root = Root(tree, use_openat2=use_openat2)
        file = root.open(b"a.txt")
        root.close()
        root.close()
        with pytest.raises(ValueError, match="closed"):
            root.open(b"a.txt")
        assert os.pread(file.fd, 100, 0) == b"still open"
        file.release()
