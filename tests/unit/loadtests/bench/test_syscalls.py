from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.bench.errors import RunFailed
from loadtests.bench.syscalls import Counter, parse_perf, parse_strace

PERF = """# started on Mon Nov 23 16:40:00 2026

1200,,syscalls:sys_enter_recvfrom,1000,100.00,,
0,,syscalls:sys_enter_open,1000,100.00,,
1201,,syscalls:sys_enter_epoll_wait,1000,100.00,,
<not counted>,,syscalls:sys_enter_bpf,0,0.00,,
"""
STRACE = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.030000          25      1200        12 recvfrom
 40.00    0.020000          20      1000           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.050000          22      2200        12 total
"""


def test_perf() -> None:
    assert parse_perf(PERF) == {"recvfrom": 1200, "epoll_wait": 1201}


def test_strace() -> None:
    assert parse_strace(STRACE) == {"recvfrom": 1200, "sendto": 1000}


@pytest.mark.parametrize(("program", "report", "total"), [("perf", PERF, 2401), ("strace", STRACE, 2200)])
def test_a_report_is_read_as_its_program_writes_it(tmp_path: Path, program: str, report: str, total: int) -> None:
    file = tmp_path / "report"
    file.write_text(report)
    assert sum(Counter(program, file).counts().values()) == total


@pytest.mark.parametrize("program", ["perf", "strace"])
def test_nothing_counted_is_no_figure(tmp_path: Path, program: str) -> None:
    file = tmp_path / "report"
    file.write_text("Operation not permitted\n")
    with pytest.raises(RunFailed, match="Operation not permitted"):
        Counter(program, file).counts()
