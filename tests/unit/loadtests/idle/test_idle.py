from __future__ import annotations

import os
import re
import socket

import pytest

from loadtests.bench.errors import RunFailed
from loadtests.bench.workloads import Mode
from loadtests.idle.__main__ import Cost, ask, is_within, look, main


@pytest.mark.slow
def test_idle_connections_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--mode", "userspace", "--connections", "20", "--seconds", "0.1"])
    printed, errors = capsys.readouterr()
    figures = r"(-?\d+) bytes each, ([\d.]+) ms of CPU time and ([\d.]+) wakes a second"
    assert re.fullmatch(f"ktlsserve userspace: 20 idle connections, {figures}\n", printed), errors
    # On a busy machine a tenth of a second is too short to judge by.
    assert status in (0, 1)


def test_without_so_many_descriptors_nothing_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--connections", str(1 << 40)]) == 2
    assert "connections need" in capsys.readouterr().err


def test_openssl_may_take_memory_but_nobody_time() -> None:
    assert is_within(Cost(4000.0, 0.9, 1.0), Mode.KERNEL)
    assert not is_within(Cost(5000.0, 0.0, 0.0), Mode.KERNEL)
    assert is_within(Cost(30_000.0, 0.0, 0.0), Mode.USERSPACE)
    assert not is_within(Cost(100.0, 1.1, 0.0), Mode.USERSPACE)


def test_a_process_is_looked_at() -> None:
    seen = look(os.getpid())
    assert seen.memory_bytes > 1 << 20
    assert seen.cpu_ns > 0


def test_an_answer_is_read_to_its_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1024) + b"more")
        ask(ours)
        assert theirs.recv(4096).startswith(b"GET ")


def test_a_connection_that_is_closed_instead_is_no_figure() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1000))
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(RunFailed, match="closed a connection"):
            ask(ours)


def test_a_server_that_is_silent_is_no_figure() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.001)
        with pytest.raises(RunFailed, match="no answer within 120 s"):
            ask(ours)
