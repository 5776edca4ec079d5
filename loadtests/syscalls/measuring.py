"""Rounds of all subjects in turns, the processor time of each, and the loop's own time beside it.

Time is what this thread got on a processor (CLOCK_THREAD_CPUTIME_ID): other programs lengthen a run, but not this. In
each round every subject has one run, in the other order every second time, so that a slow spell of the machine hits all
of them and not one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice, repeat, starmap
from typing import Any

from loadtests.bench.errors import RunFailed
from loadtests.bench.progress import Progress
from loadtests.syscalls import libc
from loadtests.syscalls.subjects import Case, Subject

_TRIAL_CALLS = 20
_FEWEST_CALLS = 20
# A socket with nothing to wait for is full after the first of these; more than enough at the smallest buffer.
_FILLING_CALLS = 64
_COUNTER = 1 << 32


@dataclass(frozen=True, slots=True)
class Run:
    """Nanoseconds of one call without the loop, of the loop around it, and of a receiving process meanwhile."""

    call_ns: float
    loop_ns: float
    receiver_ns: float = 0.0


@dataclass(slots=True)
class Measured:
    """The runs of a case by round, how many calls each had, and what went wrong in the others."""

    case: Case
    calls: int
    runs: dict[int, Run] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def per_packet_ns(self) -> dict[int, float]:
        """Return the nanoseconds of one packet, by round."""
        return {number: run.call_ns / self.case.packets for number, run in self.runs.items()}


def measure(subjects: Sequence[Subject], rounds: int, run_ns: int, progress: Progress) -> list[Measured]:
    """Measure; runs last for about ``run_ns``."""
    progress.step("calibrating")
    measured = [Measured(subject.case, _calibrate(subject, run_ns)) for subject in subjects]
    pairs = list(zip(subjects, measured, strict=True))
    for number in range(rounds):
        progress.step(f"round {number + 1} of {rounds}")
        for subject, result in pairs if number % 2 == 0 else reversed(pairs):
            try:
                result.runs[number] = run(subject, result.calls)
            except RunFailed as error:
                result.problems.append(str(error))
    return measured


def run(subject: Subject, calls: int) -> Run:
    """Make so many calls, and as many that do nothing; raises RunFailed where a call did not do what it was to."""
    loop_ns, _ = _timed(subject.nothing, repeat(subject.no_arguments, calls), added=False)
    before = subject.arrivals() if subject.arrivals else 0
    received_ns = -subject.receiver_ns() if subject.receiver_ns else 0
    spent_ns, total = _timed(subject.call, islice(cycle(subject.arguments), calls), added=subject.expected is not None)
    if subject.receiver_ns:
        received_ns += subject.receiver_ns()
    if subject.expected is not None and total != subject.expected * calls:
        raise RunFailed(f"{subject.case.key}: {calls} calls returned {total}, not {subject.expected * calls}: {_why()}")
    if subject.arrivals:
        arrived = (subject.arrivals() - before) % _COUNTER
        if arrived != subject.arrivals_per_call * calls:
            raise RunFailed(f"{subject.case.key}: {arrived} of {subject.arrivals_per_call * calls} arrived")
    return Run((spent_ns - loop_ns) / calls, loop_ns / calls, received_ns / calls)


def _calibrate(subject: Subject, run_ns: int) -> int:
    """Return how many calls take about ``run_ns``. Fills the receiver, if there is one, and what is filled once."""
    _timed(subject.call, islice(cycle(subject.arguments), _FILLING_CALLS), added=False)
    spent_ns, _ = _timed(subject.call, islice(cycle(subject.arguments), _TRIAL_CALLS), added=False)
    return max(_FEWEST_CALLS, run_ns * subject.times_longer * _TRIAL_CALLS // max(1, spent_ns))


def _timed(call: Callable[..., Any], arguments: Iterator[tuple[Any, ...]], *, added: bool) -> tuple[int, int]:
    """Call with each of ``arguments``; return the time it took, and with ``added`` the sum of what was returned."""
    results = starmap(call, arguments)
    total = 0
    begin_ns = time.thread_time_ns()
    if added:
        total = sum(results)
    else:
        deque(results, maxlen=0)
    return time.thread_time_ns() - begin_ns, total


def _why() -> str:
    number, words = libc.last_error()
    return words if number else "no error"
