from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.compress.beside import is_up_to_date, write_beside

TIME_NS = 1_700_000_000_123_456_789


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "app.js"
    path.write_bytes(b"content")
    os.utime(path, ns=(TIME_NS, TIME_NS))
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o4755, 0o440])
def test_what_is_written_has_the_permissions_and_the_time_of_the_original(original: Path, mode: int) -> None:
    original.chmod(mode)
    made = original.with_name("app.js.br")
    write_beside(made, original.stat(), [b"one ", b"", b"two"])
    status = made.stat()
    assert made.read_bytes() == b"one two"
    assert (status.st_mode & 0o7777, status.st_mtime_ns) == (mode & 0o777, TIME_NS)
    assert is_up_to_date(status, original.stat())
    assert names(original.parent) == {"app.js", "app.js.br"}


def test_the_owner_is_the_originals_as_far_as_that_can_be_said(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[int, int]] = []

    def give(_fd: int, user: int, group: int) -> None:
        given.append((user, group))
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchown", give)
    made = original.with_name("app.js.br")
    write_beside(made, original.stat(), [b"x"])
    assert made.read_bytes() == b"x"
    assert given == [(original.stat().st_uid, original.stat().st_gid)]


def test_what_was_there_is_replaced_and_a_link_is_not_followed(original: Path) -> None:
    made = original.with_name("app.js.br")
    made.symlink_to("app.js")
    write_beside(made, original.stat(), [b"new"])
    assert (original.read_bytes(), made.read_bytes(), made.is_symlink()) == (b"content", b"new", False)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_error_on_the_way_leaves_what_was_there(
    original: Path, error: type[BaseException], old: bytes | None
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise error

    made = original.with_name("app.js.br")
    if old is not None:
        made.write_bytes(old)
    with pytest.raises(error):
        write_beside(made, original.stat(), pieces())
    assert names(original.parent) == {"app.js", "app.js.br"} - ({"app.js.br"} if old is None else set())
    assert old is None or made.read_bytes() == old


def test_what_can_not_be_renamed_is_cleaned_up(original: Path) -> None:
    made = original.with_name("app.js.br")
    made.mkdir()
    with pytest.raises(IsADirectoryError):
        write_beside(made, original.stat(), [b"x"])
    assert names(original.parent) == {"app.js", "app.js.br"}


def test_bytes_are_on_the_disk_before_the_name_is(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    made = original.with_name("app.js.br")
    fsync, replace = os.fsync, Path.replace

    def note_fsync(fd: int) -> None:
        assert os.fstat(fd).st_size == 3
        done.append("fsync")
        fsync(fd)

    def note_replace(path: Path, target: Path) -> Path:
        done.append("replace")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "replace", note_replace)
    write_beside(made, original.stat(), [b"new"])
    assert done == ["fsync", "replace"]


def status_at(mtime_ns: int, ctime_ns: int) -> os.stat_result:
    fields = {"st_mtime_ns": mtime_ns, "st_ctime_ns": ctime_ns}
    return os.stat_result([0] * 10, fields)


@pytest.mark.parametrize(
    ("made", "original", "expected"),
    [((5, 9), (5, 9), True), ((5, 9), (5, 8), True), ((5, 8), (5, 9), False), ((6, 9), (5, 8), False)],
)
def test_times_tell(made: tuple[int, int], original: tuple[int, int], expected: bool) -> None:
    assert is_up_to_date(status_at(*made), status_at(*original)) is expected


@pytest.mark.parametrize("durable", [True, False])
def test_the_disk_is_waited_for_where_that_matters(
    durable: bool, original: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    made = original.with_name("app.js.br")
    write_beside(made, original.stat(), [b"x"], durable=durable)
    assert made.read_bytes() == b"x"
    assert len(synced) == durable
