"""How many CPUs this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path

from ktlsserve.errors import StartupError

# cpu.max of a group: quota and period in microseconds, or "max" (Documentation/admin-guide/cgroup-v2.rst).
UNIFIED_FILE = "cpu.max"
# The same in version 1 (Documentation/scheduler/sched-bwc.rst); a quota of -1 is none.
LEGACY_FILES = ("cpu.cfs_quota_us", "cpu.cfs_period_us")


def usable_cpus(mounted: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return the number of CPUs of the affinity mask, or of the cgroup's quota (rounded up) where that is less.

    ``mounted`` is where control groups are mounted, ``membership`` the list of this process's groups. A quota that
    can't be read counts as none.
    """
    cpus = len(os.sched_getaffinity(0))
    quota = min((_quota(group) for group in _groups(mounted, membership)), default=math.inf)
    return max(1, min(cpus, math.ceil(quota))) if quota < cpus else cpus


def worker_cpus(wanted: bool | tuple[int, ...]) -> tuple[int, ...]:  # noqa: FBT001 - the value of a setting
    """Return the CPUs that workers are bound to, in turn: all usable ones, those wanted, or none.

    Raises StartupError for one that this process may not use.
    """
    if wanted is False:
        return ()
    usable = sorted(os.sched_getaffinity(0))
    if wanted is True:
        return tuple(usable)
    for cpu in wanted:
        if cpu not in usable:
            raise StartupError(
                f"server.cpu_affinity: CPU {cpu} isn't one that this process may use: {', '.join(map(str, usable))}"
            )
    return wanted


def _groups(mounted: Path, membership: Path) -> list[Path]:
    """Return the folders of this process's groups that may set a CPU quota, with all their parents."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top = mounted
        elif "cpu" in controllers.split(","):
            top = mounted / "cpu"
        else:
            continue
        group = top / path.lstrip("/")
        # In a container the path may be the host's and not exist here; the mounted top is then the container's own.
        found += [folder for folder in (group, *group.parents) if folder.is_relative_to(top)]
    return found


def _quota(group: Path) -> float:
    """Return how many CPUs' worth of time a group may use; infinite without a quota."""
    try:
        quota, period = (group / UNIFIED_FILE).read_text().split()
    except (OSError, ValueError):
        try:
            quota, period = ((group / name).read_text().strip() for name in LEGACY_FILES)
        except OSError:
            return math.inf
    try:
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (ValueError, ZeroDivisionError):
        return math.inf
