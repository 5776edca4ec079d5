from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from ktlsserve.supervisor.signals import SIGNALS, SignalQueue, exit_description


@pytest.fixture
def queue() -> Iterator[SignalQueue]:
    with closing(SignalQueue()) as made:
        yield made


def readable(queue: SignalQueue) -> bool:
    return bool(select.select([queue], [], [], 0)[0])


def test_signals_are_queued_and_taken_once(queue: SignalQueue) -> None:
    assert queue.take() == set()
    assert not readable(queue)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGHUP):
        os.kill(os.getpid(), number)
    assert readable(queue)
    assert queue.take() == {signal.SIGHUP, signal.SIGTERM}
    assert queue.take() == set()
    assert not readable(queue)


def test_a_flood_of_signals_is_no_error(queue: SignalQueue) -> None:
    for _ in range(3000):
        os.kill(os.getpid(), signal.SIGHUP)
    assert queue.take() == {signal.SIGHUP}


def test_signals_go_back_to_whoever_had_them() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with closing(SignalQueue()):
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_child_leaves_its_signals_alone() -> None:
    with closing(SignalQueue()) as queue:
        child = os.fork()
        if child == 0:
            # Nothing but this child's exit status may come of it.
            status = 1
            try:
                queue.forget()
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                    os.kill(os.getpid(), number)
                status = 7
            finally:
                os._exit(status)
        _, result = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(result) == 7
        # Its end was told here, what it did to itself was not.
        assert queue.take() <= {signal.SIGCHLD}


@pytest.mark.parametrize(
    ("status", "text"),
    [(0, "exit status 0"), (3 << 8, "exit status 3"), (9, "killed by SIGKILL"), (11 | 0x80, "killed by SIGSEGV")],
)
def test_ends_are_described(status: int, text: str) -> None:
    assert exit_description(status) == text
