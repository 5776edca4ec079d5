"""Which file system a device number belongs to, from ``/proc/self/mountinfo`` (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")


def file_system_type(device: int, mountinfo: Path = MOUNTINFO) -> str | None:
    """Return the type (``ext4``, ``tmpfs``) of the file system whose ``st_dev`` is ``device``, None if not told.

    Not told are subvolumes of btrfs and some files of overlayfs: their ``st_dev`` is no mount's.
    """
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mountinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
        mount, _, source = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) > 2 and fields[2] == wanted:
            return source.split(" ")[0]
    return None
