from __future__ import annotations

import logging
import select
from collections.abc import Iterator
from threading import Event, get_ident

import pytest

from ktlsserve.http1.auth import Attempt, Credentials, Gate, Verdict
from ktlsserve.worker.verifier import Verifier

NOW_S = 1000
LIMIT_MS = 30_000


class SlowUsers:
    """Knows one password, and verifies nothing before it is let go on."""

    def __init__(self) -> None:
        self.go_on = Event()
        self.asked: list[bytes] = []
        self.threads: set[int] = set()

    def verify(self, user: bytes, password: bytes) -> bool:
        self.asked.append(user)
        self.threads.add(get_ident())
        assert self.go_on.wait(LIMIT_MS / 1000)
        if user == b"bug":
            raise RuntimeError("a bug")
        return password == b"secret"


@pytest.fixture
def users() -> SlowUsers:
    return SlowUsers()


@pytest.fixture
def gate(users: SlowUsers) -> Gate:
    return Gate(b"Staff", users.verify, b"key")


@pytest.fixture
def verifier(users: SlowUsers) -> Iterator[Verifier[str]]:
    made: Verifier[str] = Verifier(most_queued=2)
    yield made
    users.go_on.set()
    made.close()


def attempt(gate: Gate, user: bytes = b"alice", password: bytes = b"secret") -> Attempt:
    return Attempt(gate, Credentials(user, password))


def wait_for(verifier: Verifier[str], count: int) -> list[str]:
    """Return those whose attempts have been settled, in order, as a loop finds out."""
    poll = select.poll()
    poll.register(verifier.fileno(), select.POLLIN)
    found: list[str] = []
    while len(found) < count:
        assert poll.poll(LIMIT_MS)
        found += verifier.finished(NOW_S)
    return found


def test_verdicts_are_reached_elsewhere_and_settled_here(verifier: Verifier[str], gate: Gate, users: SlowUsers) -> None:
    assert verifier.submit(attempt(gate), "first")
    assert verifier.submit(attempt(gate, password=b"guess"), "second")
    assert verifier.finished(NOW_S) == []
    users.go_on.set()
    assert wait_for(verifier, 2) == ["first", "second"]
    assert gate._verdicts.find(Credentials(b"alice", b"secret"), NOW_S) is Verdict.GRANTED
    assert gate._verdicts.find(Credentials(b"alice", b"guess"), NOW_S) is Verdict.REFUSED
    assert len(users.threads) == 1
    assert get_ident() not in users.threads


def test_equal_attempts_are_verified_once(verifier: Verifier[str], gate: Gate, users: SlowUsers) -> None:
    for waiter in ("a", "b", "a", "c", "d", "e"):
        assert verifier.submit(attempt(gate), waiter)
    users.go_on.set()
    assert wait_for(verifier, 5) == ["a", "b", "c", "d", "e"]
    assert users.asked == [b"alice"]


def test_attempts_at_two_gates_are_two(verifier: Verifier[str], gate: Gate, users: SlowUsers) -> None:
    assert attempt(gate) != attempt(Gate(b"Staff", users.verify, b"key"))


def test_too_many_are_refused(verifier: Verifier[str], gate: Gate, users: SlowUsers) -> None:
    taken = [verifier.submit(attempt(gate, user=b"%d" % number), str(number)) for number in range(5)]
    # Two wait, and the thread may have taken a third by then.
    assert taken[:2] == [True, True]
    assert sum(taken) in (2, 3)
    users.go_on.set()
    assert wait_for(verifier, sum(taken)) == [str(number) for number in range(5) if taken[number]]


def test_a_bug_lets_nobody_in(
    verifier: Verifier[str], gate: Gate, users: SlowUsers, caplog: pytest.LogCaptureFixture
) -> None:
    users.go_on.set()
    with caplog.at_level(logging.ERROR):
        assert verifier.submit(attempt(gate, user=b"bug"), "x")
        assert wait_for(verifier, 1) == ["x"]
    assert gate._verdicts.find(Credentials(b"bug", b"secret"), NOW_S) is Verdict.REFUSED
    assert "a bug kept credentials from being verified" in caplog.text
    assert "secret" not in caplog.text
