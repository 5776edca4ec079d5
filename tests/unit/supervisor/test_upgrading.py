"""The start of a successor and its outcomes; whole upgrades are in tests/process/test_upgrade.py."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.address import Address
from ktlsserve.errors import StartupError
from ktlsserve.supervisor.inherited import UPGRADE, Inherited
from ktlsserve.supervisor.listeners import Listener, bind
from ktlsserve.supervisor.upgrading import START_LIMIT_S, Successor
from tests.support import processes
from tests.support.waiting import wait_until


@pytest.fixture
def listeners() -> Iterator[tuple[Listener, ...]]:
    made = bind(Address("127.0.0.1", 0), 8)
    yield made
    for listener in made:
        listener.sock.close()


def start(monkeypatch: pytest.MonkeyPatch, listeners: tuple[Listener, ...], code: str) -> Successor:
    """Start a successor that runs ``code``."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", code])
    return Successor(listeners, Inherited(), 100.0)


def outcome(successor: Successor, now_s: float = 100.0) -> str:
    return wait_until(lambda: "serves" if successor.serves() else successor.failure(now_s), "an outcome")


def test_it_gets_the_sockets_and_says_that_it_serves(
    monkeypatch: pytest.MonkeyPatch, listeners: tuple[Listener, ...], tmp_path: Path
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", "1")
    monkeypatch.setenv("WATCHDOG_USEC", "2")
    before = processes.descriptors(os.getpid())
    seen = tmp_path / "seen"
    code = f"""
import json, os, socket
handed = json.loads(os.environ["{UPGRADE}"])
names = [socket.socket(fileno=fd).getsockname() for fd, asked in handed["listeners"]]
seen = [names, [asked for fd, asked in handed["listeners"]], handed["predecessor"] == os.getppid()]
seen.append([name for name in os.environ if name.startswith("WATCHDOG")])
open({str(seen)!r}, "w").write(json.dumps(seen))
os.write(handed["announce"], b"x")
"""
    successor = start(monkeypatch, listeners, code)
    assert outcome(successor) == "serves"
    names = [list(listener.sock.getsockname()) for listener in listeners]
    assert json.loads(seen.read_text()) == [names, ["127.0.0.1:0"], True, ["WATCHDOG_USEC"]]
    successor.close()
    assert processes.descriptors(os.getpid()) == before
    os.waitpid(successor.pid, 0)


def test_the_endpoints_sockets_are_told_apart(monkeypatch: pytest.MonkeyPatch, listeners: tuple[Listener, ...]) -> None:
    (admin,) = bind(Address("127.0.0.1", 0), 8)
    ports = [[listener.sock.getsockname()[1] for listener in each] for each in (listeners, (admin,))]
    code = f"""
import json, os, socket
handed = json.loads(os.environ["{UPGRADE}"])
ports = [[socket.socket(fileno=fd).getsockname()[1] for fd, _ in handed[kind]] for kind in ("listeners", "admin")]
assert ports == {ports}, ports
os.write(handed["announce"], b"x")
"""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", code])
    successor = Successor(listeners, Inherited(), 100.0, (admin,))
    assert outcome(successor) == "serves"
    successor.close()
    admin.sock.close()
    os.waitpid(successor.pid, 0)


def test_it_may_end_before_it_serves(monkeypatch: pytest.MonkeyPatch, listeners: tuple[Listener, ...]) -> None:
    successor = start(monkeypatch, listeners, "raise SystemExit(5)")
    assert outcome(successor) == "the new program ended: exit status 5; its own messages say why"
    successor.close()


def test_it_may_take_too_long(monkeypatch: pytest.MonkeyPatch, listeners: tuple[Listener, ...]) -> None:
    successor = start(monkeypatch, listeners, "import time; time.sleep(1000)")
    assert not successor.serves()
    assert successor.failure(100.0 + START_LIMIT_S - 1) is None
    assert successor.failure(100.0 + START_LIMIT_S) == "the new program didn't serve within 60 s and was killed"
    successor.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(successor.pid, 0)


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, listeners: tuple[Listener, ...]) -> None:
    before = processes.descriptors(os.getpid())
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(StartupError, match="/nowhere/python can't be started: No such file or directory"):
        start(monkeypatch, listeners, "")
    assert processes.descriptors(os.getpid()) == before
