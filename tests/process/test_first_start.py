"""The README's two commands, as they stand there, by a new user on systems where nothing is installed yet.

Each system is a Debian with git, make and Python, and nothing else; the user clones the repository and begins.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.empty_machine import HOME, EmptyMachine
from tests.support.machines_apart import Running
from tests.support.programs import find_program
from tests.support.server import CHECKOUT
from tests.support.waiting import LIMIT_S, wait_until
from tests.vm.cache import cache_root

pytestmark = pytest.mark.slow

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
CLONE = f"{HOME}/ktlsserve"
SUITES = ("bookworm", "trixie")
ADDRESS = ("127.0.0.1", 8443)
# Installing takes as long as the network does, and a machine that does much else.
INSTALLED_S = 1200


@contextmanager
def the_port() -> Iterator[None]:
    """Have the port of the README for one run at a time."""
    with (cache_root() / "first-start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not is_answering(), f"something else listens on {ADDRESS}: that is where make serve serves"
        yield


def is_answering() -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(ADDRESS) == 0


def test_two_commands_are_enough(tmp_path: Path) -> None:
    assert re.search(r"^make serve\nmake test\n", README, re.MULTILINE)
    # Installing is most of it, and mostly the work of one processor.
    with ThreadPoolExecutor() as pool:
        for took in [pool.submit(first_start, suite, tmp_path / suite) for suite in SUITES]:
            print(took.result())


def first_start(suite: str, folder: Path) -> str:
    """Run both commands on Debian ``suite``; return how long each took."""
    folder.mkdir()
    marks_s = [time.monotonic()]
    machine = EmptyMachine(suite, folder / "root")
    try:
        return both_commands(machine, suite, folder / "serve.log", marks_s)
    finally:
        # More than a gigabyte that nobody looks at.
        shutil.rmtree(machine.root)


def both_commands(machine: EmptyMachine, suite: str, log: Path, marks_s: list[float]) -> str:
    """Clone, serve and test; ``marks_s`` has when the machine began to be made."""
    subprocess.run(machine.command("git clone --quiet /srv/ktlsserve.git"), check=True, timeout=LIMIT_S)
    marks_s.append(time.monotonic())
    serve(machine, log)
    marks_s.append(time.monotonic())
    # A part of the tests: all of them are what runs this one.
    command = machine.command('make test PYTEST_ARGS="tests/unit/http1 -q"', CLONE)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALLED_S)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d{3,} passed", done.stdout, re.MULTILINE), done.stdout
    # An ordinary user is told what to have installed for the rest.
    assert "apt-get install" in done.stdout + done.stderr
    marks_s.append(time.monotonic())
    took = zip(("made and cloned", "make serve", "make test"), pairwise(marks_s), strict=True)
    return f"{suite}: " + ", ".join(f"{what} {end_s - begin_s:.0f} s" for what, (begin_s, end_s) in took)


def serve(machine: EmptyMachine, log: Path) -> None:
    """Run ``make serve``, ask the server for a file, and end it by SIGTERM."""
    listening = "listening on https://127.0.0.1:8443 tls="
    with the_port():
        with Running(machine.command("make serve", CLONE), log) as serving:
            wait_until(
                lambda: listening in serving.printed() or serving.process.poll() is not None,
                listening,
                limit_s=INSTALLED_S,
            )
            assert listening in serving.printed(), serving.printed()
            asked = ["--silent", "--show-error", "--noproxy", "*", "--max-time", "10", "-k", "-i"]
            command = [find_program("curl"), *asked, "https://localhost:8443/robots.txt"]
            answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S).stdout
            assert answer.startswith("HTTP/1.1 200 OK")
            assert answer.endswith((CHECKOUT / "config" / "site" / "robots.txt").read_text())
            assert "Traceback" not in serving.printed()
        # SIGTERM has ended make, and with it the server.
        assert not is_answering()
