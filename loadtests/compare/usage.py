"""What a server's processes have used: processor time, context switches, memory; their children included."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from loadtests.bench import procfs
from loadtests.bench.errors import RunFailed


@dataclass(frozen=True, slots=True)
class Usage:
    """Since the processes began, or between two moments; the memory is that of the moment.

    ``cpu_s`` is counted in nanoseconds. What of it was the user's and what the system's is told in clock ticks (10 ms).
    """

    cpu_s: float
    user_ticks_s: float
    system_ticks_s: float
    context_switches: int
    resident_bytes: int

    @property
    def user_share(self) -> float | None:
        """How much of the time was the user's, None where there was no whole tick."""
        ticks_s = self.user_ticks_s + self.system_ticks_s
        return self.user_ticks_s / ticks_s if ticks_s > 0 else None

    def since(self, before: Usage) -> Usage:
        """Return what was used after ``before``."""
        return Usage(
            self.cpu_s - before.cpu_s,
            self.user_ticks_s - before.user_ticks_s,
            self.system_ticks_s - before.system_ticks_s,
            self.context_switches - before.context_switches,
            self.resident_bytes,
        )


def read_usage(pids: Iterable[int]) -> Usage:
    """Add up the processes and all that descend from them; raises RunFailed where one of ``pids`` has ended."""
    processes: dict[int, psutil.Process] = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                raise RunFailed(f"the server's process {pid} has ended")
            processes |= {found.pid: found for found in (process, *process.children(recursive=True))}
        except psutil.NoSuchProcess as error:
            raise RunFailed(f"the server's process {pid} has ended") from error
    user_s = system_s = 0.0
    switches = resident_bytes = 0
    for process in processes.values():
        # A child may end while it is looked at.
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            user_s += times.user
            system_s += times.system
            switches += _context_switches(process.pid)
            resident_bytes += process.memory_info().rss
    return Usage(procfs.cpu_time_ns(processes) / 1e9, user_s, system_s, switches, resident_bytes)


def _context_switches(pid: int) -> int:
    """Count those of all threads: psutil tells the first one's alone."""
    total = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with suppress(FileNotFoundError, ProcessLookupError):
            total += parse_context_switches(status.read_text(encoding="utf-8", errors="replace"))
    return total


def parse_context_switches(status: str) -> int:
    """Add up the voluntary and the other ones of a thread's ``status``."""
    lines = dict(line.split(":", 1) for line in status.splitlines() if "ctxt_switches:" in line)
    return sum(int(value) for value in lines.values())
