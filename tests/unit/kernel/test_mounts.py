from __future__ import annotations

import os
from pathlib import Path

import pytest

from ktlsserve.kernel.mounts import file_system_type

TEXT = """\
22 27 0:21 / /sys rw,nosuid - sysfs sysfs rw
36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
40 27 0:44 / /srv/with\\040-\\040dash rw,relatime shared:5 shared:6 - fuse.sshfs host:/ rw,user_id=0
41 27
"""


@pytest.fixture
def mountinfo(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (os.makedev(98, 0), "ext3"),
        (os.makedev(0, 21), "sysfs"),
        (os.makedev(0, 44), "fuse.sshfs"),
        (os.makedev(8, 1), None),
    ],
)
def test_the_type_is_found_by_the_device(device: int, expected: str | None, mountinfo: Path) -> None:
    assert file_system_type(device, mountinfo) == expected


def test_proc_is_found_on_this_machine() -> None:
    assert file_system_type(Path("/proc").stat().st_dev) == "proc"


def test_without_mountinfo_nothing_is_told(tmp_path: Path) -> None:
    assert file_system_type(os.makedev(98, 0), tmp_path / "missing") is None
