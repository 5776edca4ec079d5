"""The book-keeping of a generation; forks and signals are in tests/process."""

from __future__ import annotations

import socket
from typing import cast

import pytest

from ktlsserve.supervisor.generation import RETIRE, Generation, WorkerProcess
from ktlsserve.worker.service import Service


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

    made = Generation(cast("Service", None), 1)
    monkeypatch.setattr("os.fork", fail)
    with pytest.raises(OSError, match="no more processes"):
        made.spawn(0.0, lambda: None)
    assert made.workers == {}
