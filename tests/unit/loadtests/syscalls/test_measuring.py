from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable

import pytest

from loadtests.bench.errors import RunFailed
from loadtests.syscalls import libc
from loadtests.syscalls.measuring import measure, run
from loadtests.syscalls.subjects import Case, Method, Subject


class Steps:
    """What the progress was told."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def step(self, text: str) -> None:
        self.texts.append(text)


class Clock:
    """Time that passes only in calls: 100 ns in one that does something, 30 in one that doesn't."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = 0
        monkeypatch.setattr(time, "thread_time_ns", lambda: self.now_ns)

    def call(self, returned: int = 7) -> int:
        self.now_ns += 100
        return returned

    def nothing(self) -> int:
        self.now_ns += 30
        return 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def subject(clock: Clock, method: Method = Method.CALL, call: Callable[..., int] | None = None) -> Subject:
    return Subject(Case(method, 0, 2), call or clock.call, [()], clock.nothing, (), expected=7)


def test_the_loop_is_subtracted(clock: Clock) -> None:
    measured = run(subject(clock), 50)
    assert (measured.call_ns, measured.loop_ns, measured.receiver_ns) == (70.0, 30.0, 0.0)


def test_the_receiver_s_time_is_that_of_the_run(clock: Clock) -> None:
    case = Subject(Case(Method.SENDFILE, 1), clock.call, [()], clock.nothing, (), receiver_ns=lambda: clock.now_ns // 2)
    assert run(case, 10).receiver_ns == 50.0


def test_a_call_that_did_less_is_no_figure(clock: Clock) -> None:
    answers = iter([7, 7, 6, 7])
    short = subject(clock, call=lambda: clock.call(next(answers)))
    with pytest.raises(RunFailed, match="call/0/2: 4 calls returned 27, not 28"):
        run(short, 4)


def test_a_failed_call_says_why(clock: Clock) -> None:
    closed = Subject(Case(Method.SENDTO, 1), libc.sendto, [(-1, 0, 0, 0, 0, 0)], clock.nothing, (), expected=1)
    with pytest.raises(RunFailed, match=os.strerror(errno.EBADF)):
        run(closed, 2)


def test_what_did_not_arrive_is_no_figure(clock: Clock) -> None:
    # The count starts again at 2^32.
    counts = iter([2**32 - 3, 5, 5, 12])
    counted = Subject(
        Case(Method.GSO, 1),
        clock.call,
        [()],
        clock.nothing,
        (),
        arrivals=lambda: next(counts),
        arrivals_per_call=2,
    )
    assert run(counted, 4).call_ns == 70.0
    with pytest.raises(RunFailed, match="7 of 8 arrived"):
        run(counted, 4)


def test_rounds_go_to_and_fro(clock: Clock) -> None:
    order: list[str] = []

    def named(name: str) -> Callable[[], int]:
        def call() -> int:
            if order[-1:] != [name]:
                order.append(name)
            return clock.call()

        return call

    subjects = [subject(clock, method, named(method)) for method in (Method.CALL, Method.SENDTO, Method.SENDFILE)]
    steps = Steps()
    measured = measure(subjects, 3, 10_000, steps)
    there = ["getppid", "sendto", "sendfile"]
    # Calibration, and three rounds; who is last in one is first in the next.
    assert order == [*there, *there, *there[::-1][1:], *there[1:]]
    assert steps.texts == ["calibrating", "round 1 of 3", "round 2 of 3", "round 3 of 3"]
    assert [list(result.runs) for result in measured] == [[0, 1, 2]] * 3


def test_runs_last_as_long_as_they_should(clock: Clock) -> None:
    longer = Subject(Case(Method.SENDFILE, 1), clock.call, [()], clock.nothing, (), times_longer=3)
    short, long = measure([subject(clock), longer], 1, 10_000, Steps())
    assert (short.calls, long.calls) == (100, 300)
    (least,) = measure([subject(clock)], 1, 1, Steps())
    assert least.calls == 20


def test_a_failed_run_leaves_the_others(clock: Clock) -> None:
    calls = 0

    def once_wrong() -> int:
        nonlocal calls
        calls += 1
        # 64 calls fill the receiver, 20 calibrate; then rounds of 20.
        return clock.call(0 if calls == 64 + 20 + 5 else 7)

    (result,) = measure([subject(clock, call=once_wrong)], 2, 1, Steps())
    assert list(result.runs) == [1]
    assert len(result.problems) == 1
    assert result.per_packet_ns() == {1: 35.0}
