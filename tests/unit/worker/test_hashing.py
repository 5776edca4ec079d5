from __future__ import annotations

import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Event, get_ident

import pytest

from ktlsserve.worker.hashing import AWAITED_BYTES, Hashing

LIMIT_S = 30.0


@dataclass(eq=False, slots=True)
class Work:
    """An errand that isn't done before it is let go on, or told to stop."""

    size: int = 1
    result: bytes | None = b'"x"'
    go_on: Event = field(default_factory=Event)
    begun: Event = field(default_factory=Event)
    settled: list[bytes] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)

    def run(self, stopping: Callable[[], bool]) -> bytes | None:
        self.threads.add(get_ident())
        self.begun.set()
        while not stopping():
            if self.go_on.wait(0.01):
                return self.result
        return None

    def settle(self, found: bytes) -> None:
        assert get_ident() not in self.threads
        self.settled.append(found)


@pytest.fixture
def hashing() -> Iterator[Hashing[str]]:
    made: Hashing[str] = Hashing(most_queued=2)
    yield made
    made.close()


def wait_for(hashing: Hashing[str], condition: Callable[[list[str]], object]) -> list[str]:
    """Return those who are to be asked again, as a loop finds out, once ``condition`` holds of them."""
    poll = select.poll()
    for fd in hashing.filenos():
        poll.register(fd, select.POLLIN)
    found: list[str] = []
    while not condition(found):
        assert poll.poll(LIMIT_S * 1000)
        found += hashing.finished()
    return found


def test_what_is_found_is_settled_here_and_those_who_wait_are_told(hashing: Hashing[str]) -> None:
    work = Work()
    assert hashing.submit(work, "a")
    assert hashing.submit(work, "b")
    assert hashing.finished() == []
    work.go_on.set()
    assert wait_for(hashing, lambda found: len(found) == 2) == ["a", "b"]
    assert work.settled == [b'"x"']


def test_what_comes_to_nothing_is_told_and_not_settled(hashing: Hashing[str]) -> None:
    work = Work(result=None)
    work.go_on.set()
    assert hashing.submit(work, "a")
    assert wait_for(hashing, lambda found: found) == ["a"]
    assert work.settled == []


def test_nobody_waits_for_a_long_file(hashing: Hashing[str]) -> None:
    at_most, longer = Work(AWAITED_BYTES), Work(AWAITED_BYTES + 1)
    assert hashing.submit(at_most, "a")
    assert not hashing.submit(longer, "b")
    at_most.go_on.set()
    longer.go_on.set()
    assert wait_for(hashing, lambda _: at_most.settled and longer.settled) == ["a"]


def test_a_long_file_holds_up_no_other(hashing: Hashing[str]) -> None:
    long = Work(AWAITED_BYTES + 1)
    hashing.submit(long, "a")
    assert long.begun.wait(LIMIT_S)
    short = Work()
    short.go_on.set()
    assert hashing.submit(short, "b")
    assert wait_for(hashing, lambda found: found) == ["b"]
    assert long.settled == []
    assert short.threads != long.threads


def test_nobody_waits_where_too_many_files_do(hashing: Hashing[str]) -> None:
    first = Work()
    assert hashing.submit(first, "first")
    assert first.begun.wait(LIMIT_S)
    assert [hashing.submit(Work(), "x") for _ in range(3)] == [True, True, False]
    # Whoever wants what is under way can wait all the same.
    assert hashing.submit(first, "second")


def test_an_end_comes_in_the_middle_of_a_file() -> None:
    hashing: Hashing[str] = Hashing()
    works = [Work(), Work(AWAITED_BYTES + 1), Work()]
    for work in works:
        hashing.submit(work, "x")
    assert all(work.begun.wait(LIMIT_S) for work in works[:2])
    hashing.close()
    assert not works[2].begun.is_set()
    assert all(work.settled == [] for work in works)


def test_without_files_there_is_no_thread() -> None:
    hashing: Hashing[str] = Hashing()
    assert hashing._awaited._threads == hashing._others._threads == []
    hashing.close()
