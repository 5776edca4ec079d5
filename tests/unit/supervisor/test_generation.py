"""The book-keeping of a generation; forks and signals are in tests/process."""

from __future__ import annotations

import os
import select
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ktlsserve.config import Limits
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.supervisor.generation import Generation, WorkerProcess
from ktlsserve.worker.orders import REOPEN, RETIRE, STOP
from ktlsserve.worker.service import Service
from tests.support import processes


def generation(wanted: int) -> tuple[Generation, list[socket.socket]]:
    """Return a generation of that many workers that were never forked, and the workers' ends of their sockets."""
    made = Generation(cast("Service", None), wanted)
    ends = []
    for number in range(wanted):
        ours, theirs = socket.socketpair()
        theirs.settimeout(5)
        ends.append(theirs)
        made.workers[1000 + number] = WorkerProcess(1000 + number, number, ours, 0.0)
    return made, ends


def close(made: Generation, ends: list[socket.socket]) -> None:
    made.drain()
    for end in ends:
        end.close()


def is_ready(made: Generation) -> bool:
    return made.ready


def test_it_is_ready_when_all_of_its_workers_are() -> None:
    made, ends = generation(2)
    assert not is_ready(made)
    made.workers[1000].ready = True
    assert not is_ready(made)
    made.workers[1001].ready = True
    assert is_ready(made)
    lost = made.workers.pop(1001)
    assert not is_ready(made)
    made.workers[1001] = lost
    close(made, ends)


def test_retiring_is_a_byte_and_draining_the_end_of_the_stream() -> None:
    made, ends = generation(2)
    made.retire()
    assert made.wanted == 0
    assert [end.recv(16) for end in ends] == [RETIRE] * 2
    made.drain()
    assert [end.recv(16) for end in ends] == [b"", b""]
    assert all(worker.control is None for worker in made.workers.values())
    # Once is enough, and neither minds a second time.
    made.drain()
    made.retire()
    close(made, ends)


def test_a_worker_that_is_gone_can_not_be_told_and_need_not() -> None:
    made, ends = generation(2)
    ends[0].close()
    made.retire()
    assert ends[1].recv(16) == RETIRE
    close(made, ends)


def test_a_fork_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> int:
        raise OSError(11, "no more processes")

    made = Generation(cast("Service", SimpleNamespace(limits=Limits())), 1)
    monkeypatch.setattr("os.fork", fail)
    with pytest.raises(OSError, match="no more processes"):
        made.spawn(0.0, lambda: None)
    assert made.workers == {}


def test_a_stop_is_told_and_does_not_hang_up() -> None:
    made, ends = generation(2)
    made.stop()
    assert (made.wanted, made.lacking) == (0, 0)
    assert [end.recv(16) for end in ends] == [STOP] * 2
    assert all(worker.control is not None for worker in made.workers.values())
    close(made, ends)


def test_a_worker_that_does_not_listen_holds_nobody_up() -> None:
    made, ends = generation(1)
    (worker,) = made.workers.values()
    assert worker.control is not None
    worker.control.setblocking(False)
    while select.select([], [worker.control], [], 0)[1]:
        worker.control.send(b"x" * 4096)
    made.retire()
    worker.ping()
    close(made, ends)


def test_lost_workers_are_lacking() -> None:
    made, ends = generation(3)
    assert made.lacking == 0
    lost = made.workers.pop(1001)
    assert made.lacking == 1
    made.workers[1001] = lost
    close(made, ends)


@pytest.mark.parametrize("leaving", [False, True])
def test_a_log_is_reopened_here_and_there(leaving: bool, tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "log"))
    made, ends = generation(2)
    made.service = cast("Service", SimpleNamespace(access_log=log))
    if leaving:
        made.wanted = 0
        log.close()
    (tmp_path / "log").rename(tmp_path / "log.1")
    made.reopen_log()
    for end in ends:
        said, (fd,), _, _ = socket.recv_fds(end, 16, 4)
        assert said == REOPEN
        assert processes.descriptors(os.getpid())[fd] == str(tmp_path / "log")
        os.close(fd)
    if not leaving:
        assert processes.descriptors(os.getpid())[log._fd] == str(tmp_path / "log")
    log.close()
    close(made, ends)


@pytest.mark.parametrize("destination", ["", "-"])
def test_a_log_without_a_path_stays(destination: str) -> None:
    made, ends = generation(1)
    log = AccessLog(destination) if destination else None
    made.service = cast("Service", SimpleNamespace(access_log=log))
    made.reopen_log()
    made.drain()
    assert ends[0].recv(16) == b""
    if log is not None:
        log.close()
    close(made, ends)


def test_workers_are_bound_to_their_cpus_in_turn(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bound: list[tuple[int, set[int]]] = []
    monkeypatch.setattr("os.sched_setaffinity", lambda pid, cpus: bound.append((pid, cpus)))
    made = Generation(cast("Service", None), 3, (4, 6))
    for number in range(3):
        made._bind_to_cpu(number)
    Generation(cast("Service", None), 3)._bind_to_cpu(0)
    assert bound == [(0, {4}), (0, {6}), (0, {4})]

    def refuse(_pid: int, _cpus: set[int]) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr("os.sched_setaffinity", refuse)
    made._bind_to_cpu(0)
    assert "can't stay on CPU 4: Invalid argument" in caplog.text
