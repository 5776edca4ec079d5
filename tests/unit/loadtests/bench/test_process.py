from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadtests.bench import process
from loadtests.bench.errors import RunFailed
from loadtests.bench.launch import Launch
from loadtests.bench.process import ServerProcess
from tests.support.processes import runs
from tests.support.waiting import wait_until

SLEEPER = "import os, sys, time; print(os.environ['WORD'], flush=True); time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])"


def _start(folder: Path, code: str) -> ServerProcess:
    return ServerProcess("it", Launch([sys.executable, "-c", code], {"WORD": "of its own"}), folder)


def test_it_runs_with_an_environment_and_a_log_until_it_is_stopped(tmp_path: Path) -> None:
    process = _start(tmp_path, SLEEPER)
    try:
        wait_until(lambda: process.last_words() == "of its own", "what it writes")
        assert process.pids() == [process.pid]
    finally:
        process.stop()
    with pytest.raises(RunFailed, match="it ended with status -15: of its own"):
        process.pids()


def test_its_children_count_and_end_with_it(tmp_path: Path) -> None:
    process = _start(tmp_path, PARENT)
    try:
        (child,) = wait_until(lambda: process.pids()[1:], "a child")
        assert runs(child)
    finally:
        process.stop()
    wait_until(lambda: not runs(child), "its end")


def test_a_check_is_repeated_until_it_holds(tmp_path: Path) -> None:
    process = _start(tmp_path, SLEEPER)
    asked = []

    def check() -> None:
        asked.append(1)
        if len(asked) < 3:
            raise RunFailed("not yet")

    try:
        process.wait_until(check)
    finally:
        process.stop()
    assert len(asked) == 3


def test_waiting_ends_with_the_server_or_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> None:
        raise RunFailed("no answer")

    ending = _start(tmp_path, "import sys; sys.exit('on fire')")
    with pytest.raises(RunFailed, match="it ended with status 1: on fire"):
        ending.wait_until(check)
    assert ending.wait() == 1
    monkeypatch.setattr("loadtests.bench.process._START_LIMIT_S", 0.0)
    silent = _start(tmp_path, SLEEPER)
    try:
        with pytest.raises(RunFailed, match="it doesn't serve: no answer; its log:"):
            silent.wait_until(check)
    finally:
        silent.stop()


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunFailed, match="it can't be started: /nowhere: No such file"):
        ServerProcess("it", Launch(["/nowhere"]), tmp_path)


class FakeTime:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.sleeps = 0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.now_s += seconds


def test_a_slow_server_is_given_time_and_is_not_kept_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def check() -> None:
        raise RunFailed("not yet")

    running = _start(tmp_path, SLEEPER)
    try:
        with monkeypatch.context() as patched:
            clock = FakeTime()
            patched.setattr(process, "time", clock)
            with pytest.raises(RunFailed, match="it doesn't serve: not yet"):
                running.wait_until(check)
    finally:
        running.stop()
    assert clock.now_s > 120
    # Every 20 ms it would be thousands.
    assert clock.sleeps < 200
