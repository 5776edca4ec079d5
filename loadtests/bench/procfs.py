"""What /proc tells of a server: its processes, the CPU time they had, the memory that is theirs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from loadtests.bench.errors import SetupError

_PROC = Path("/proc")
# A process or thread that ends while it is looked at: open() or read() says so.
_GONE = (FileNotFoundError, ProcessLookupError)


def process_tree(pid: int) -> list[int]:
    """Return ``pid`` and all processes that descend from it."""
    found = [pid]
    for parent in found:
        for thread in _threads(parent):
            with suppress(*_GONE):
                found += map(int, (thread / "children").read_text().split())
    return found


def exists(pid: int) -> bool:
    """Tell whether there is such a process, also one that has had no time yet."""
    return (_PROC / str(pid)).exists()


def cpu_time_ns(pids: Iterable[int]) -> int:
    """Add up the time on a CPU that all threads of the processes have had, in nanoseconds.

    Source: Documentation/scheduler/sched-stats.rst, first field of /proc/PID/task/TID/schedstat. It has no ticks of
    10 ms as /proc/PID/stat has, but loses what threads had that ended meanwhile.
    """
    total = 0
    for pid in pids:
        for thread in _threads(pid):
            with suppress(*_GONE):
                total += int((thread / "schedstat").read_text().split()[0])
    return total


def memory_bytes(pids: Iterable[int]) -> int:
    """Add up the processes' proportional set sizes: pages that n processes share count as 1/n for each."""
    total = 0
    for pid in pids:
        with suppress(*_GONE):
            lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return total


def require_schedstat() -> None:
    """Raise SetupError where the kernel doesn't count CPU time in nanoseconds."""
    if not (_PROC / "self" / "schedstat").exists():
        raise SetupError("this kernel has no /proc/PID/schedstat (CONFIG_SCHED_INFO): CPU time can't be measured")


def _threads(pid: int) -> list[Path]:
    try:
        return list((_PROC / str(pid) / "task").iterdir())
    except _GONE:
        return []
