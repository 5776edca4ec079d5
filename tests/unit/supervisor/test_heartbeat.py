from __future__ import annotations

import math
import signal
import socket
from collections.abc import Iterator

import pytest

from ktlsserve.supervisor.generation import STACK_SIGNAL, WorkerProcess
from ktlsserve.supervisor.heartbeat import KILL_DELAY_S, LOOKS, Heartbeat
from ktlsserve.worker.orders import ALIVE, PING, READY

HANG_S = 8.0


@pytest.fixture
def ends() -> Iterator[tuple[WorkerProcess, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.settimeout(5)
    yield WorkerProcess(4242, 0, ours, 0.0), theirs
    ours.close()
    theirs.close()


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, signal.Signals]]:
    sent: list[tuple[int, signal.Signals]] = []
    monkeypatch.setattr("os.kill", lambda pid, number: sent.append((pid, number)))
    return sent


def test_who_answers_lives(
    ends: tuple[WorkerProcess, socket.socket], signals: list[tuple[int, signal.Signals]]
) -> None:
    worker, theirs = ends
    heartbeat = Heartbeat()
    for look in range(20):
        heartbeat.look([worker], HANG_S, look * HANG_S / LOOKS)
        assert theirs.recv(16) == PING
        theirs.sendall(ALIVE)
        worker.listen()
        assert worker.unanswered == 0
    assert signals == []
    assert not worker.ready


def test_who_does_not_answer_is_told_to_tell_where_and_then_killed(
    ends: tuple[WorkerProcess, socket.socket],
    signals: list[tuple[int, signal.Signals]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker, theirs = ends
    heartbeat = Heartbeat()
    for look in range(LOOKS):
        heartbeat.look([worker], HANG_S, look * HANG_S / LOOKS)
        # Between the looks nothing happens, however often it is called.
        heartbeat.look([worker], HANG_S, look * HANG_S / LOOKS + 0.1)
    assert (worker.kill_s, signals) == (None, [])
    heartbeat.look([worker], HANG_S, HANG_S)
    assert worker.kill_s == HANG_S + KILL_DELAY_S
    assert signals == [(4242, STACK_SIGNAL)]
    assert "worker 4242 hasn't answered for 8 s and is killed" in caplog.text
    # It was asked once, and is told of once.
    assert theirs.recv(16) == PING
    heartbeat.look([worker], HANG_S, 2 * HANG_S)
    assert len(signals) == 1


def test_time_that_nobody_saw_pass_does_not_count(
    ends: tuple[WorkerProcess, socket.socket], signals: list[tuple[int, signal.Signals]]
) -> None:
    worker, _ = ends
    heartbeat = Heartbeat()
    heartbeat.look([worker], HANG_S, 0.0)
    heartbeat.look([worker], HANG_S, 1000 * HANG_S)
    assert worker.kill_s is None
    assert heartbeat.due_s == 1000 * HANG_S + HANG_S / LOOKS


def test_zero_is_never(ends: tuple[WorkerProcess, socket.socket]) -> None:
    worker, _ = ends
    heartbeat = Heartbeat()
    heartbeat.look([worker], 0.0, 5.0)
    assert (worker.unanswered, heartbeat.due_s) == (0, math.inf)


def test_who_was_told_to_drain_can_not_be_asked(signals: list[tuple[int, signal.Signals]]) -> None:
    worker = WorkerProcess(4242, 0, None, 0.0)
    heartbeat = Heartbeat()
    for look in range(2 * LOOKS):
        heartbeat.look([worker], HANG_S, look * HANG_S)
    assert (worker.unanswered, signals) == (0, [])


def test_both_words_in_one(ends: tuple[WorkerProcess, socket.socket]) -> None:
    worker, theirs = ends
    worker.unanswered = 3
    worker.listen()
    assert worker.unanswered == 3
    theirs.sendall(READY + ALIVE)
    worker.listen()
    assert (worker.ready, worker.unanswered) == (True, 0)
