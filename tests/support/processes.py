"""What /proc tells of a process that a test has started."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.privileges import CAP_SYS_PTRACE

_PROC = Path("/proc")


def can_look_into_all() -> bool:
    """Tell whether this process may see the descriptors of processes that shut others of their user out."""
    return Machine().has_capability(CAP_SYS_PTRACE)


def children(pid: int) -> list[int]:
    """Return the processes whose parent is ``pid``, in ascending order; zombies aren't among them."""
    found = []
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            try:
                # The second field is the program's name in parentheses, and may hold anything.
                state, parent, *_ = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(parent) == pid and state != "Z":
                found.append(int(folder.name))
    return sorted(found)


def runs(pid: int) -> bool:
    """Tell whether a process is there that hasn't ended; who reaps an orphan, and when, is another's affair."""
    try:
        return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_stopped(pid: int) -> bool:
    """Tell whether SIGSTOP has taken effect: whoever runs on another processor goes on for a moment."""
    return (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()[0] == "T"


def descriptors(pid: int) -> dict[int, str]:
    """Return what each descriptor of the process stands for, as its link in /proc says."""
    found = {}
    for entry in (_PROC / str(pid) / "fd").iterdir():
        try:
            found[int(entry.name)] = str(entry.readlink())
        except FileNotFoundError:
            continue
    return found


def sockets(pids: Iterable[int]) -> int:
    """Count the sockets that the processes hold; one shared by two counts twice."""
    return sum(target.startswith("socket:") for pid in pids for target in descriptors(pid).values())


def resident_bytes(pid: int) -> int:
    """Return how much memory the process has that isn't swapped out."""
    pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cpu_ns(pid: int) -> int:
    """Return the processor time that the process has had (Documentation/scheduler/sched-stats.rst)."""
    return int((_PROC / str(pid) / "schedstat").read_text().split()[0])
