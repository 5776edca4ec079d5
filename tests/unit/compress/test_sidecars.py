from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest

from ktlsserve.compress.sidecars import SidecarTask
from ktlsserve.compress.task import Outcome, Result, Stopped
from ktlsserve.files.etag_sidecar import pack_sidecar

CONTENT = b"content"
SIDECAR = pack_sidecar(sha256(CONTENT).hexdigest().encode(), len(CONTENT))
TIME_NS = 1_700_000_000_123_456_789


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "video.mp4"
    path.write_bytes(CONTENT)
    os.utime(path, ns=(TIME_NS, TIME_NS))
    return path


def run(original: Path, *, dry: bool = False, stopping: bool = False) -> Result:
    exists = original.with_name("video.mp4.etag").exists()
    return SidecarTask(original, len(CONTENT), exists).run(lambda: stopping, dry=dry)


@pytest.mark.parametrize("dry", [False, True])
def test_a_missing_sidecar_is_written(original: Path, dry: bool) -> None:
    sidecar = original.with_name("video.mp4.etag")
    assert run(original, dry=dry) == Result(Outcome.MADE, sidecar)
    assert sidecar.exists() is not dry
    if not dry:
        assert (sidecar.read_bytes(), sidecar.stat().st_mtime_ns) == (SIDECAR, TIME_NS)


@pytest.mark.parametrize(
    ("content", "time_ns"), [(SIDECAR, TIME_NS - 1), (b"", TIME_NS), (SIDECAR + b" ", TIME_NS), (b"x" * 999, TIME_NS)]
)
@pytest.mark.parametrize("dry", [False, True])
def test_one_that_is_not_of_this_content_is_written_anew(
    original: Path, content: bytes, time_ns: int, dry: bool
) -> None:
    sidecar = original.with_name("video.mp4.etag")
    sidecar.write_bytes(content)
    os.utime(sidecar, ns=(time_ns, time_ns))
    assert run(original, dry=dry).outcome is Outcome.MADE
    assert sidecar.read_bytes() == (content if dry else SIDECAR)


@pytest.mark.parametrize("dry", [False, True])
def test_one_that_is_right_stays(original: Path, dry: bool) -> None:
    sidecar = original.with_name("video.mp4.etag")
    sidecar.write_bytes(SIDECAR)
    os.utime(sidecar, ns=(TIME_NS, TIME_NS))
    inode = sidecar.stat().st_ino
    assert run(original, dry=dry).outcome is Outcome.FRESH
    assert (sidecar.stat().st_ino, sidecar.stat().st_mtime_ns) == (inode, TIME_NS)


def test_stopping_leaves_nothing(original: Path) -> None:
    with pytest.raises(Stopped):
        run(original, stopping=True)
    assert [path.name for path in original.parent.iterdir()] == ["video.mp4"]
