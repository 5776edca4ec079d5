from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ktlsserve.config import Config, Limits
from ktlsserve.worker.states import State
from ktlsserve.worker.turn import Turn
from tests.support.worker_bench import Bench

IN, OUT = select.EPOLLIN, select.EPOLLOUT
ALONE_BYTES, SHARED_BYTES = 1000, 100


@dataclass
class Loop:
    """Writes down who is handled, in order, and with which slice; ``during`` is what handling a descriptor does."""

    handled: list[int] = field(default_factory=list)
    slices: list[int] = field(default_factory=list)
    during: dict[int, Callable[[], None]] = field(default_factory=dict)
    now_s: float = 100.0

    def __post_init__(self) -> None:
        self.turn = Turn(self.handle, alone_bytes=ALONE_BYTES, shared_bytes=SHARED_BYTES)

    def handle(self, fd: int, _events: int) -> None:
        self.handled.append(fd)
        self.slices.append(self.turn.slice_bytes)
        self.during.get(fd, lambda: None)()

    def have(self, *ready: tuple[int, int]) -> list[int]:
        """Have a turn, and return who was handled in it."""
        self.handled, self.slices = [], []
        self.turn.handle(ready, self.now_s)
        return self.handled


@pytest.fixture
def loop() -> Loop:
    return Loop()


# The order.


def test_who_sends_on_comes_last(loop: Loop) -> None:
    assert loop.have((1, OUT), (2, IN), (3, IN)) == [2, 3, 1]
    assert loop.have((1, IN | OUT), (2, IN), (3, select.EPOLLHUP)) == [2, 3, 1]


def test_one_of_several_has_its_slice_in_a_turn_and_all_have_theirs(loop: Loop) -> None:
    ready = [(number, OUT) for number in (5, 3, 9, 4)]
    turns = [loop.have(*ready, (1, IN)) for _ in range(8)]
    assert turns == [[1, 5], [1, 3], [1, 9], [1, 4]] * 2


def test_while_nobody_else_is_there_it_is_four(loop: Loop) -> None:
    ready = [(number, OUT) for number in range(6)]
    assert [loop.have(*ready) for _ in range(3)] == [[0, 1, 2, 3], [4, 5, 0, 1], [2, 3, 4, 5]]


def test_of_many_an_eighth_has_it(loop: Loop) -> None:
    ready = [(number, OUT) for number in range(64)]
    turns = [loop.have(*ready) for _ in range(8)]
    assert turns == [list(range(first, first + 8)) for first in range(0, 64, 8)]


def test_who_has_waited_longer_goes_before_who_comes(loop: Loop) -> None:
    loop.have((1, OUT), (2, OUT), (9, IN))
    assert loop.turn.unfinished
    assert loop.have((3, OUT), (2, OUT)) == [2]
    assert loop.have() == [3]
    assert not loop.turn.unfinished


def test_who_has_closed_is_forgotten(loop: Loop) -> None:
    loop.have((1, OUT), (2, OUT), (3, OUT), (9, IN))
    loop.turn.forget(2)
    loop.turn.forget(7)
    assert loop.have() == [3]
    assert not loop.turn.unfinished


def test_handling_one_may_end_another(loop: Loop) -> None:

    def end_the_others() -> None:
        for fd in range(1, 16):
            loop.turn.forget(fd)

    loop.during = {0: end_the_others}
    assert loop.have(*((number, OUT) for number in range(16))) == [0]


# The slice.


def test_a_slice_is_short_while_there_are_others(loop: Loop) -> None:
    loop.have((1, OUT))
    assert loop.slices == [ALONE_BYTES]
    loop.have((1, OUT), (2, IN))
    assert loop.slices[-1] == SHARED_BYTES
    loop.now_s += 0.009
    loop.have((1, OUT))
    assert loop.slices == [SHARED_BYTES]
    loop.now_s += 0.002
    loop.have((1, OUT))
    assert loop.slices == [ALONE_BYTES]


def test_the_short_slice_is_never_the_longer_one() -> None:
    turn = Turn(lambda _fd, _events: None, alone_bytes=50, shared_bytes=100)
    turn.handle([(1, IN)], 0.0)
    assert turn.slice_bytes == 50


# In the worker.


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "large.bin").write_bytes(os.urandom(8 << 20))
    (tmp_path / "hello.txt").write_bytes(b"hello\n")
    with Bench(tmp_path, Config(limits=Limits(slice_bytes=1 << 20, shared_slice_bytes=1 << 16))) as made:
        yield made


def test_requests_are_answered_before_a_download_goes_on(bench: Bench) -> None:
    """However fast the client: one short slice a turn, and what came in meanwhile before the next."""
    download, small = bench.connect(), bench.connect()
    bench.send_all(download, b"GET /large.bin HTTP/1.1\r\nHost: localhost\r\n\r\n")
    bench.until(lambda: any(conn.state is State.SENDING for conn in bench.connections()))
    (sending,) = [conn for conn in bench.connections() if conn.state is State.SENDING]
    most_bytes = 0
    for _ in range(20):
        small.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if sending.outbox is None:
            break
        before = sending.outbox.unsent_bytes
        bench.turn(1.0)
        # One turn of the loop was enough for the answer.
        assert small.recv(4096).endswith(b"hello\n")
        after = sending.outbox.unsent_bytes if sending.outbox is not None else 0
        most_bytes = max(most_bytes, before - after)
        while True:
            try:
                download.recv(1 << 20)
            except BlockingIOError:
                break
    assert 0 < most_bytes <= 1 << 16
