from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ktlsserve.compress.task import FileChanged, Outcome, Result, Stopped
from ktlsserve.etags.task import SidecarTask
from tests.support.content_tags import tag_of

CONTENT = b"a film\n" * 20_000
TAG = tag_of(CONTENT)
TIME_NS = 1_700_000_000_123_456_789


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    path.write_bytes(CONTENT)
    os.utime(path, ns=(TIME_NS, TIME_NS))
    return path


def sidecar_of(original: Path) -> Path:
    return original.with_name(original.name + ".etag")


def write_sidecar(original: Path, data: bytes, time_ns: int = TIME_NS) -> Path:
    sidecar = sidecar_of(original)
    sidecar.write_bytes(data)
    os.utime(sidecar, ns=(time_ns, time_ns))
    return sidecar


def run(original: Path, *, stopping: Callable[[], bool] = lambda: False, dry: bool = False) -> Result:
    exists = os.path.lexists(sidecar_of(original))
    return SidecarTask(original, len(CONTENT), exists).run(stopping, dry=dry)


@pytest.mark.parametrize("dry", [False, True])
def test_a_missing_sidecar_is_written(original: Path, dry: bool) -> None:
    sidecar = sidecar_of(original)
    assert run(original, dry=dry) == Result(Outcome.MADE, sidecar)
    assert sidecar.exists() is not dry
    if not dry:
        assert (sidecar.read_bytes(), sidecar.stat().st_mtime_ns) == (TAG, TIME_NS)


@pytest.mark.parametrize("data", [tag_of(b"old"), tag_of(CONTENT[::-1]), b"", tag_of(b"old") + b"\n"])
@pytest.mark.parametrize("dry", [False, True])
def test_one_of_other_content_is_written_anew(original: Path, data: bytes, dry: bool) -> None:
    """Also where all times are the same: the content is what counts."""
    sidecar = write_sidecar(original, data)
    assert run(original, dry=dry).outcome is Outcome.MADE
    assert sidecar.read_bytes() == (data if dry else TAG)


@pytest.mark.parametrize("data", [TAG, TAG + b"\n"])
@pytest.mark.parametrize("dry", [False, True])
def test_one_that_is_right_stays(original: Path, data: bytes, dry: bool) -> None:
    sidecar = write_sidecar(original, data)
    before = sidecar.stat()
    assert run(original, dry=dry).outcome is Outcome.FRESH
    after = sidecar.stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)


@pytest.mark.parametrize("dry", [False, True])
def test_one_that_is_right_but_for_its_time_gets_the_time(original: Path, dry: bool) -> None:
    sidecar = write_sidecar(original, TAG, TIME_NS + 1)
    inode = sidecar.stat().st_ino
    assert run(original, dry=dry).outcome is Outcome.MADE
    assert sidecar.stat().st_ino == inode
    assert sidecar.stat().st_mtime_ns == TIME_NS + dry


@pytest.mark.parametrize("data", [b'"v1"', b"somebody's notes", TAG + TAG, bytes(100_000)])
def test_what_is_somebody_elses_stays(original: Path, data: bytes) -> None:
    sidecar = write_sidecar(original, data)
    result = run(original)
    assert (result.outcome, result.message) == (Outcome.FAILED, "it isn't an entity-tag of ours; move it away")
    assert sidecar.read_bytes() == data


def test_what_is_no_file_stays(original: Path) -> None:
    sidecar_of(original).mkdir()
    with pytest.raises(FileChanged):
        run(original)
    sidecar_of(original).rmdir()
    sidecar_of(original).symlink_to(original)
    with pytest.raises(OSError, match="symbolic links"):
        run(original)
    assert original.read_bytes() == CONTENT


def test_stopping_leaves_nothing(original: Path) -> None:
    with pytest.raises(Stopped):
        run(original, stopping=lambda: True)
    assert [path.name for path in original.parent.iterdir()] == ["video.mp4"]


def test_a_file_that_changes_meanwhile_gets_none(original: Path) -> None:
    def change() -> bool:
        os.utime(original, (1, 1))
        return False

    with pytest.raises(FileChanged):
        run(original, stopping=change)
    assert [path.name for path in original.parent.iterdir()] == ["video.mp4"]


def test_what_is_written_in_this_moment_is_waited_for(original: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    ctime_ns = original.stat().st_ctime_ns
    monkeypatch.setattr(time, "sleep", slept.append)
    for now_ns in (ctime_ns + 5_000_000, ctime_ns + 10**10, ctime_ns - 10**10):
        monkeypatch.setattr(time, "time_ns", lambda now_ns=now_ns: now_ns)
        run(original)
    assert slept == [0.015, 0.0, 2.0]
