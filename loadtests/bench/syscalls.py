"""System calls of processes by name, counted by perf where it may, else by strace.

perf counts in the kernel and hardly slows the server down. strace stops it at every call, so that more events wait for
each epoll_wait and a request seems to need fewer calls than it does: the report says who counted.
"""

from __future__ import annotations

import functools
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NoReturn

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
    start = _start_perf if found.program == "perf" else _start_strace
    process = start(pids, found.report)
    try:
        yield found
        process.send_signal(signal.SIGINT)
        process.wait(_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"{found.program} did not end within {_LIMIT_S:g} s") from error
    finally:
        process.kill()
        process.wait()


@functools.cache
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


def _start_perf(pids: Sequence[int], report: Path) -> subprocess.Popen[bytes]:
    """Start perf with its counters stopped (-D -1), have it start them, and return once it says that it has."""
    own_orders, orders = os.pipe()
    answers, own_answers = os.pipe()
    command = ["perf", "stat", "-x,", "-o", str(report), "-e", "syscalls:sys_enter_*", "-p", ",".join(map(str, pids))]
    command += ["-D", "-1", "--control", f"fd:{own_orders},{own_answers}"]
    try:
        process = _start(command, (own_orders, own_answers))
        os.close(own_answers)
        own_answers = -1
        os.write(orders, b"enable\n")
        ready = select.select([answers], [], [], _LIMIT_S)[0]
        if not ready or b"ack" not in os.read(answers, 64):
            _give_up(process, "perf")
    finally:
        for fd in (own_orders, orders, answers, own_answers):
            if fd >= 0:
                os.close(fd)
    return process


def _start_strace(pids: Sequence[int], report: Path) -> subprocess.Popen[bytes]:
    """Start strace, and return once it traces all processes."""
    command = ["strace", "-c", "-f", "-o", str(report), *(part for pid in pids for part in ("-p", str(pid)))]
    process = _start(command, ())
    give_up_s = time.monotonic() + _LIMIT_S
    while any(_tracer(pid) != process.pid for pid in pids):
        if process.poll() is not None or time.monotonic() > give_up_s:
            _give_up(process, "strace")
        time.sleep(_POLL_S)
    return process


def _start(command: Sequence[str], descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    null = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=null, stdout=null, stderr=null, pass_fds=descriptors)


def _give_up(process: subprocess.Popen[bytes], program: str) -> NoReturn:
    process.kill()
    process.wait()
    raise RunFailed(f"{program} could not attach to the server")


def _tracer(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("TracerPid:"))
