from __future__ import annotations

import logging
import select
from collections.abc import Iterator
from threading import Event, get_ident

import pytest

from ktlsserve.worker.errands import Errands

LIMIT_MS = 30_000
MOST_THREADS = 2
MOST_QUEUED = 3


class Work:
    """Performs nothing before it is let go on; ``begun`` is set whenever a thread has come that far."""

    def __init__(self) -> None:
        self.go_on = Event()
        self.begun = Event()
        self.performed: list[str] = []
        self.threads: set[int] = set()

    def perform(self, key: str) -> int:
        self.begun.set()
        self.threads.add(get_ident())
        assert self.go_on.wait(LIMIT_MS / 1000)
        self.performed.append(key)
        return int(key)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def errands(work: Work) -> Iterator[Errands[str, int, str]]:
    made = Errands[str, int, str]("test", work.perform, -1, most_threads=MOST_THREADS, most_queued=MOST_QUEUED)
    yield made
    work.go_on.set()
    made.close()


def wait_for(errands: Errands[str, int, str], count: int) -> list[tuple[str, int, list[str]]]:
    """Return what is done, in the order of the keys, as a loop finds out."""
    poll = select.poll()
    poll.register(errands.fileno(), select.POLLIN)
    found: list[tuple[str, int, list[str]]] = []
    while len(found) < count:
        assert poll.poll(LIMIT_MS)
        found += errands.finished()
    return sorted(found)


def test_errands_are_run_elsewhere_and_told_here(errands: Errands[str, int, str], work: Work) -> None:
    assert errands.submit("1", "a")
    assert errands.submit("2", "b")
    assert "1" in errands
    assert errands.finished() == []
    work.go_on.set()
    assert wait_for(errands, 2) == [("1", 1, ["a"]), ("2", 2, ["b"])]
    assert get_ident() not in work.threads
    assert "1" not in errands


def test_there_are_as_many_threads_as_needed(errands: Errands[str, int, str]) -> None:
    assert not errands._threads
    errands.submit("1", "a")
    errands.submit("1", "b")
    assert len(errands._threads) == 1
    for key in ("2", "3", "4"):
        errands.submit(key, "a")
    assert len(errands._threads) == MOST_THREADS


def test_equal_keys_are_performed_once_until_they_are_told_of(errands: Errands[str, int, str], work: Work) -> None:
    for waiter in ("a", "b", "a"):
        assert errands.submit("1", waiter)
    work.go_on.set()
    assert wait_for(errands, 1) == [("1", 1, ["a", "b"])]
    assert errands.submit("1", "c")
    assert wait_for(errands, 1) == [("1", 1, ["c"])]
    assert work.performed == ["1", "1"]


def test_what_does_not_fit_is_refused(errands: Errands[str, int, str], work: Work) -> None:
    taken = [errands.submit(str(number), "a") for number in range(10)]
    # Each thread may have taken one out of the queue by then.
    assert taken[:MOST_QUEUED] == [True] * MOST_QUEUED
    assert MOST_QUEUED <= sum(taken) <= MOST_QUEUED + MOST_THREADS
    work.go_on.set()
    assert len(wait_for(errands, sum(taken))) == sum(taken)


def test_what_nobody_waits_for_is_left_undone(work: Work) -> None:
    errands = Errands[str, int, str]("test", work.perform, -1, most_threads=1, most_queued=MOST_QUEUED)
    errands.submit("1", "a")
    assert work.begun.wait(LIMIT_MS / 1000)
    errands.submit("2", "a")
    errands.submit("3", "a")
    errands.submit("3", "b")
    errands.cancel("2", "a")
    errands.cancel("3", "a")
    errands.cancel("4", "nobody")
    # Who comes later has an errand of their own.
    assert errands.submit("2", "c")
    work.go_on.set()
    assert wait_for(errands, 4) == [("1", 1, ["a"]), ("2", -1, []), ("2", 2, ["c"]), ("3", 3, ["b"])]
    assert work.performed == ["1", "3", "2"]
    errands.close()


def test_what_is_cancelled_while_it_runs_is_told_of_with_its_result(
    errands: Errands[str, int, str], work: Work
) -> None:
    errands.submit("1", "a")
    assert work.begun.wait(LIMIT_MS / 1000)
    errands.cancel("1", "a")
    work.go_on.set()
    assert wait_for(errands, 1) == [("1", 1, [])]


def test_a_bug_is_told_and_ends_one_errand(
    errands: Errands[str, int, str], work: Work, caplog: pytest.LogCaptureFixture
) -> None:
    work.go_on.set()
    with caplog.at_level(logging.ERROR):
        errands.submit("no number", "a")
        assert wait_for(errands, 1) == [("no number", -1, ["a"])]
    assert "test: a bug ended an errand" in caplog.text
    errands.submit("5", "a")
    assert wait_for(errands, 1) == [("5", 5, ["a"])]


def test_closing_ends_the_threads_and_drops_what_waits(errands: Errands[str, int, str], work: Work) -> None:
    for key in ("1", "2", "3"):
        errands.submit(key, "a")
    work.go_on.set()
    errands.close()
    errands.close()
    assert not any(thread.is_alive() for thread in errands._threads)
    assert len(work.performed) <= 3
