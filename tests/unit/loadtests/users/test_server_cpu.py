from __future__ import annotations

import subprocess
import sys
import time

from loadtests.users.server_cpu import ServerCpu

SPIN = "import time\nwhile time.process_time() < 0.1: pass\nprint(flush=True)\ninput()"


def test_what_a_process_has_had() -> None:
    """It takes a tenth of a second after the beginning, and not more than there was time for."""
    with subprocess.Popen(
        [sys.executable, "-c", f"input()\n{SPIN}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        begin_s = time.monotonic()
        cpu = ServerCpu([process.pid])
        cpu.begin()
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        cpu.end()
        elapsed_s = time.monotonic() - begin_s
        process.stdin.write("\n")
    assert cpu.trouble == []
    assert cpu.cpu_s is not None
    assert 0.01 < cpu.cpu_s <= elapsed_s


def test_a_server_that_ends_has_no_figure() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True) as process:
        cpu = ServerCpu([process.pid])
        cpu.begin()
        process.communicate("\n")
        cpu.end()
        assert cpu.cpu_s is None
        assert cpu.trouble == [f"process {process.pid} of the server has ended"]
        cpu.begin()
        cpu.end()
        assert cpu.trouble == [f"there is no process {process.pid} of the server"]


def test_nobody_asked() -> None:
    cpu = ServerCpu([])
    cpu.begin()
    cpu.end()
    assert (cpu.cpu_s, cpu.trouble) == (None, [])
