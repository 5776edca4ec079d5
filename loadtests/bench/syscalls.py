"""System calls of processes by name, counted by perf where it may, else by strace.

perf counts in the kernel and hardly slows the server down. strace stops it at every call, so that more events wait for
each epoll_wait and a request seems to need fewer calls than it does: the report says who counted.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from loadtests.bench.errors import RunFailed

_LIMIT_S = 30.0
_POLL_S = 0.01
_PERF_LINE = re.compile(r"^(\d+),[^,]*,syscalls:sys_enter_(\w+)", re.MULTILINE)
# Share of time, seconds, microseconds a call, calls, errors if any, name.
_STRACE_LINE = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", re.MULTILINE)


def parse_perf(report: str) -> dict[str, int]:
    """Read ``perf stat -x,`` of ``syscalls:sys_enter_*``."""
    return {name: int(count) for count, name in _PERF_LINE.findall(report) if int(count)}


def parse_strace(report: str) -> dict[str, int]:
    """Read ``strace -c``."""
    return {name: int(count) for count, name in _STRACE_LINE.findall(report) if name != "total"}


@dataclass(frozen=True, slots=True)
class Counter:
    """Who counts, and where the report is once the counting has ended."""

    program: str
    report: Path
    _PARSERS: ClassVar = {"perf": parse_perf, "strace": parse_strace}

    def counts(self) -> dict[str, int]:
        """Return the calls by name; raises RunFailed if nothing was counted."""
        text = self.report.read_text(encoding="utf-8", errors="replace")
        counts: dict[str, int] = self._PARSERS[self.program](text)
        if not counts:
            raise RunFailed(f"{self.program} counted no system calls: {text.strip()[-200:]}")
        return counts


@contextmanager
def counter(pids: Sequence[int], folder: Path) -> Iterator[Counter]:
    """Count the system calls that the processes make inside the block; raises RunFailed where nobody can."""
    found = Counter(_program(), folder / "syscalls.txt")
    found.report.unlink(missing_ok=True)
    listed = [str(pid) for pid in pids]
    if found.program == "perf":
        command = ["perf", "stat", "-x,", "-o", str(found.report), "-e", "syscalls:sys_enter_*", "-p", ",".join(listed)]
    else:
        command = ["strace", "-c", "-f", "-o", str(found.report), *(part for pid in listed for part in ("-p", pid))]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_until_it_counts(process, found, pids)
        yield found
        process.send_signal(signal.SIGINT)
        process.wait(_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"{found.program} did not end within {_LIMIT_S:g} s") from error
    finally:
        process.kill()
        process.wait()


def _program() -> str:
    if shutil.which("perf") is not None:
        tried = subprocess.run(
            ["perf", "stat", "-x,", "-e", "syscalls:sys_enter_*", "true"], capture_output=True, text=True, check=False
        )
        if parse_perf(tried.stderr):
            return "perf"
    if shutil.which("strace") is not None:
        return "strace"
    raise RunFailed("neither perf may count system calls here nor is strace installed: apt-get install strace")


def _wait_until_it_counts(process: subprocess.Popen[bytes], counter: Counter, pids: Sequence[int]) -> None:
    give_up_s = time.monotonic() + _LIMIT_S
    while not _counts(process, counter, pids):
        if process.poll() is not None or time.monotonic() > give_up_s:
            raise RunFailed(f"{counter.program} could not attach to the server")
        time.sleep(_POLL_S)


def _counts(process: subprocess.Popen[bytes], counter: Counter, pids: Sequence[int]) -> bool:
    if counter.program == "strace":
        return all(_tracer(pid) == process.pid for pid in pids)
    # perf writes its report at the end only, and opens events for each process before it enables any: once it sleeps
    # with them open it counts.
    state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
    links = [str(link.readlink()) for link in Path(f"/proc/{process.pid}/fd").iterdir() if link.is_symlink()]
    return state == "S" and any("perf_event" in link for link in links)


def _tracer(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("TracerPid:"))
