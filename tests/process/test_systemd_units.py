"""The units in config/, judged by systemd's own tools; none of them needs systemd to run."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ktlsserve.config import Config
from ktlsserve.supervisor.stopping import KILL_MARGIN_S
from tests.support.downloads import HELLO
from tests.support.programs import find_program
from tests.support.server import CHECKOUT, Server
from tests.support.waiting import LIMIT_S
from tests.support.wire import dialer

pytestmark = pytest.mark.slow

UNITS = tuple(CHECKOUT / "config" / f"ktlsserve.{kind}" for kind in ("service", "socket"))
INSTALLED = "/opt/ktlsserve/bin/ktlsserve"

# The server's command line, below strace.
TRACED = (
    "import os, sys; os.execvp('strace', ['strace', '-f', '-qq', '-o', sys.argv[1], sys.executable, *sys.argv[2:]])"
)


def analyze(*arguments: str, folder: Path | None = None) -> str:
    command = [find_program("systemd-analyze"), "--no-pager", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S, cwd=folder)
    # An unknown key is only printed: every word is a complaint.
    return done.stdout + done.stderr + (f"\nstatus {done.returncode}" if done.returncode else "")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with a program that exists here: systemd looks for it."""
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        assert text.count(f"ExecStart={INSTALLED} ") == (unit.suffix == ".service")
        (tmp_path / unit.name).write_text(text.replace(f"ExecStart={INSTALLED} ", f"ExecStart={sys.executable} "))
    return tmp_path


def test_systemd_has_nothing_to_complain_of(installed: Path) -> None:
    files = [f"./{unit.name}" for unit in UNITS]
    assert analyze("verify", "--man=no", *files, folder=installed) == ""
    # It does complain where there is reason to.
    service = installed / UNITS[0].name
    service.write_text(service.read_text().replace("ProtectClock=", "ProtectClocks="))
    assert "ProtectClocks" in analyze("verify", "--man=no", *files, folder=installed)


def test_the_service_is_confined(installed: Path) -> None:
    said = analyze("security", "--offline=true", "--threshold=20", f"./{UNITS[0].name}", folder=installed)
    assert "status" not in said, said
    exposure = re.search(r"Overall exposure level for ktlsserve.service: ([0-9.]+)", said)
    assert exposure is not None
    assert float(exposure[1]) <= 2.0


def test_there_is_time_for_the_drain() -> None:
    unit = UNITS[0].read_text(encoding="utf-8")
    limit_s = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert limit_s is not None
    assert int(limit_s[1]) > Config().server.drain_s + KILL_MARGIN_S


def filtered(unit: str) -> set[str]:
    """Return the system calls that a unit allows: each line adds some or, with ``~``, takes some away again."""
    allowed: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", unit, re.MULTILINE):
        names = line.lstrip("~").split()
        calls = set[str]().union(*(system_calls(name) if name.startswith("@") else {name} for name in names))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def system_calls(name: str) -> set[str]:
    """Return the system calls of a set, those of sets in it included."""
    lines = [line.strip() for line in analyze("syscall-filter", name).splitlines()[1:]]
    words = [line for line in lines if line and not line.startswith("#")]
    nested = [system_calls(word) for word in words if word.startswith("@")]
    return {word for word in words if not word.startswith("@")}.union(*nested)


def test_the_filter_lets_through_whatever_the_server_calls(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "small.txt").write_bytes(HELLO)
    # Beyond what is kept in memory: by pread or sendfile. Every call takes its time below strace.
    (root / "large.bin").write_bytes(bytes(100_000))
    find_program("strace")
    trace = tmp_path / "trace"
    settings = {
        "log.access_log": str(tmp_path / "access.log"),
        "server.cpu_affinity": True,
        "server.pid_file": str(tmp_path / "pid"),
    }
    program = ("-c", TRACED, str(trace), "-m", "ktlsserve")
    with Server(tmp_path / "server", root, tls="userspace", program=program, settings=settings) as server:
        pid = int((tmp_path / "pid").read_text())
        for path, status in (("/small.txt", 200), ("/large.bin", 200), ("/missing", 404)):
            with dialer(server)() as wire:
                assert wire.get(path).status == status
        os.kill(pid, signal.SIGUSR1)
        server.wait_for_log("the access log is reopened")
        os.kill(pid, signal.SIGHUP)
        server.wait_for_log("workers serve with the new configuration")
        os.kill(pid, signal.SIGTERM)
        server.wait(0)
    called = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", trace.read_text(errors="replace"), re.MULTILINE))
    assert {"sendto", "openat2", "epoll_wait", "sched_setaffinity"} <= called
    assert called - filtered(UNITS[0].read_text()) == set()
