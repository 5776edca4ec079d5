"""What ``test_command`` doesn't see through the command: tasks of any kind, and many of them."""

from __future__ import annotations

import io
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from ktlsserve.compress.crew import Crew, interrupted_by
from ktlsserve.compress.survey import Survey
from ktlsserve.compress.task import FileChanged, Outcome, Result, Task
from tests.support.waiting import LIMIT_S


@dataclass(frozen=True)
class Work:
    """A task that does what it is given."""

    path: Path
    cost: int
    action: Callable[[], Result]

    def run(self, _stopping: Callable[[], bool], *, dry: bool) -> Result:
        assert not dry
        return self.action()


def crew_of(jobs: int) -> tuple[Crew, io.StringIO]:
    err = io.StringIO()
    return Crew(jobs, io.StringIO(), err, dry=False), err


def test_as_many_tasks_run_at_a_time_as_there_are_jobs() -> None:
    together = threading.Barrier(3)

    def meet() -> Result:
        together.wait(LIMIT_S)
        return Result(Outcome.MADE, Path("x"))

    crew, _ = crew_of(3)
    crew.work_off(Survey([Work(Path("x"), 1, meet) for _ in range(30)]))
    assert crew.summary() == "30 made, 0 up to date"


def test_the_longest_task_comes_first() -> None:
    begun: list[int] = []

    def begin(cost: int) -> Result:
        begun.append(cost)
        return Result(Outcome.FRESH, Path("x"))

    crew, _ = crew_of(1)
    crew.work_off(Survey([Work(Path("x"), cost, partial(begin, cost)) for cost in (2, 5, 1, 9)], fresh=2))
    assert begun == [9, 5, 2, 1]
    assert crew.summary() == "0 made, 6 up to date"


@pytest.mark.parametrize("error", [FileChanged("it changed"), OSError(5, "it changed")])
def test_what_goes_wrong_is_said_and_counted(error: Exception) -> None:
    def fail() -> Result:
        raise error

    crew, err = crew_of(2)
    crew.work_off(Survey([Work(Path("a\x1b"), 1, fail), Work(Path("b"), 1, lambda: Result(Outcome.MADE, Path("b")))]))
    assert (crew.summary(), crew.exit_status()) == ("1 made, 0 up to date, 1 failed", 1)
    assert err.getvalue() == "ktlsserve: error: a?: it changed\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_acted_on_when_the_threads_are_idle(number: signal.Signals) -> None:
    """Never in the middle of what they share: however many tasks end at that moment."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    done: list[int] = []

    def work(count: int) -> Result:
        done.append(count)
        if count == 500:
            os.kill(os.getpid(), number)
        return Result(Outcome.MADE, Path("x"))

    crew, err = crew_of(4)
    tasks: list[Task] = [Work(Path("x"), 0, partial(work, count)) for count in range(50_000)]
    with pytest.raises(KeyboardInterrupt):
        crew.work_off(Survey(tasks))
    assert 500 < len(done) < 50_000
    assert err.getvalue() == ""
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == handlers
    # What isn't interrupted is done.
    crew.work_off(Survey(tasks[:10]))


def test_signals_interrupt_within_the_block_only() -> None:
    before = signal.getsignal(signal.SIGHUP)
    with pytest.raises(KeyboardInterrupt), interrupted_by(signal.SIGHUP):
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is before
