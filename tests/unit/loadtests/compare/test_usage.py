from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from loadtests.bench.errors import RunFailed
from loadtests.compare.usage import Usage, parse_context_switches, read_usage

# Says its child's pid, works until it has had 0.2 s of a processor, says so, and waits.
BUSY_CHILD = """
import subprocess, sys, time
child = '''
import sys, time
while time.process_time() < 0.2: pass
print("done", flush=True)
sys.stdin.read()
'''
process = subprocess.Popen([sys.executable, "-c", child], stdin=0, stdout=1)
process.wait()
"""


def test_children_are_counted() -> None:
    command = [sys.executable, "-c", BUSY_CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        usage = read_usage([process.pid])
        process.communicate()
    assert usage.cpu_s >= 0.2
    assert usage.resident_bytes > 1 << 20
    assert usage.context_switches > 0


def test_one_process_named_twice_counts_once() -> None:
    once, twice = read_usage([os.getpid()]), read_usage([os.getpid(), os.getpid()])
    assert twice.cpu_s < 2 * once.cpu_s
    assert twice.resident_bytes < 2 * once.resident_bytes


def test_a_process_that_ended_is_no_figure() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(RunFailed, match="has ended"):
        read_usage([process.pid])
    process.communicate()
    with pytest.raises(RunFailed, match="has ended"):
        read_usage([process.pid])


def test_switches_of_all_threads_are_counted() -> None:
    before = read_usage([os.getpid()])
    go_on, back = threading.Event(), threading.Event()

    def wait_often() -> None:
        for _ in range(50):
            go_on.wait()
            go_on.clear()
            back.set()
        go_on.wait()

    thread = threading.Thread(target=wait_often)
    thread.start()
    for _ in range(50):
        go_on.set()
        back.wait()
        back.clear()
    after = read_usage([os.getpid()])
    go_on.set()
    thread.join()
    # Both threads wait fifty times; those of one alone would be half as many.
    assert after.since(before).context_switches >= 50


def test_both_kinds_of_switches_count() -> None:
    status = "Name:\tnginx\nThreads:\t1\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n"
    assert parse_context_switches(status) == 157


def test_memory_is_that_of_the_moment() -> None:
    before, after = Usage(3.0, 1.0, 2.0, 10, 1000), Usage(5.5, 1.5, 3.5, 25, 900)
    assert after.since(before) == Usage(2.5, 0.5, 1.5, 15, 900)
    assert after.since(before).user_share == 0.25


def test_without_a_whole_tick_there_are_no_shares() -> None:
    assert Usage(0.004, 0.0, 0.0, 0, 0).user_share is None
