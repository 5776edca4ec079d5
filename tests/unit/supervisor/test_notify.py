from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ktlsserve.supervisor.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


def variables(manager: socket.socket, **others: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), **others}


def test_what_is_told(manager: socket.socket) -> None:
    notifier = Notifier(variables(manager))
    notifier.ready("serving")
    assert manager.recv(4096) == b"READY=1\nSTATUS=serving"
    notifier.ready("upgraded", 77)
    assert manager.recv(4096) == b"READY=1\nSTATUS=upgraded\nMAINPID=77"
    notifier.stopping("draining")
    assert manager.recv(4096) == b"STOPPING=1\nSTATUS=draining"
    notifier.reloading()
    word, _, since = manager.recv(4096).decode().partition("\nMONOTONIC_USEC=")
    assert word == "RELOADING=1"
    assert since.isdecimal()


def test_an_abstract_name() -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        name = f"ktlsserve-test-{os.getpid()}"
        sock.bind(f"\0{name}")
        sock.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready("x")
        assert sock.recv(4096).startswith(b"READY=1")


def test_the_watchdog_hears_twice_as_often_as_it_wants(manager: socket.socket) -> None:
    notifier = Notifier(variables(manager, WATCHDOG_USEC="4000000", WATCHDOG_PID=str(os.getpid())))
    notifier.beat(100.0)
    assert manager.recv(4096) == b"WATCHDOG=1"
    assert notifier.due_s == 102.0
    notifier.beat(101.9)
    notifier.beat(102.0)
    assert manager.recv(4096) == b"WATCHDOG=1"
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(4096)


@pytest.mark.parametrize(
    "others", [{}, {"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "x"}]
)
def test_no_watchdog(manager: socket.socket, others: dict[str, str]) -> None:
    assert Notifier(variables(manager, **others)).due_s == math.inf


def test_nobody_to_tell(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    notifier = Notifier({"WATCHDOG_USEC": "1000"})
    notifier.ready("x")
    assert notifier.due_s == math.inf
    assert caplog.text == ""
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("x")
    assert "the service manager can't be told READY=1: No such file or directory" in caplog.text
