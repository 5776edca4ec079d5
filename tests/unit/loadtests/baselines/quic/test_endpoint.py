from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from loadtests.baselines.quic.batches import Address
from loadtests.baselines.quic.endpoint import Endpoint

LIMIT_S = 30.0


class Receiver:
    """Keeps what it is handed, and has a connection touched for each."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.turns: list[int] = []
        self.done = asyncio.Event()
        self.wanted = 0
        self.endpoint: Endpoint | None = None

    def datagram_received(self, data: bytes, address: Address) -> None:
        self.received.append(data)
        assert self.endpoint is not None
        self.endpoint.touch(self)

    def transmit(self) -> None:
        self.turns.append(len(self.received))
        if len(self.received) == self.wanted:
            self.done.set()


class Socket:
    """A socket that takes so many batches, then says that it is full; or fails each by ``error``."""

    def __init__(self, sock: socket.socket, takes: int, error: int = 0) -> None:
        self._sock = sock
        self.takes = takes
        self.error = error
        self.sent: list[tuple[int, bool]] = []

    def sendmsg(self, buffers: Sequence[bytes], control: Sequence[object], flags: int, address: Address) -> int:
        if self.error and control:
            raise OSError(self.error, "refused")
        if self.takes == 0:
            raise BlockingIOError
        self.takes -= 1
        self.sent.append((len(buffers), bool(control)))
        return sum(map(len, buffers))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


@contextmanager
def _sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as near,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far,
    ):
        near.bind(("127.0.0.1", 0))
        far.bind(("127.0.0.1", 0))
        far.settimeout(LIMIT_S)
        yield near, far


def _run(test: Callable[[socket.socket, socket.socket], Coroutine[Any, Any, None]]) -> None:
    with _sockets() as (near, far):
        asyncio.run(asyncio.wait_for(test(near, far), LIMIT_S))


def test_what_has_come_is_read_before_anything_is_sent() -> None:
    async def test(near: socket.socket, far: socket.socket) -> None:
        receiver = Receiver()
        receiver.wanted = 10
        for number in range(10):
            far.sendto(bytes([number]), near.getsockname())
        receiver.endpoint = endpoint = Endpoint(near, segment=False)
        endpoint.receiver = receiver
        await receiver.done.wait()
        endpoint.close()
        assert receiver.received == [bytes([number]) for number in range(10)]
        assert receiver.turns == [10]
        assert endpoint.totals.received == 10

    _run(test)


@pytest.mark.parametrize(("segment", "calls"), [(True, 2), (False, 40)])
def test_datagrams_leave_in_batches_where_that_is_asked_for(segment: bool, calls: int) -> None:
    async def test(near: socket.socket, far: socket.socket) -> None:
        endpoint = Endpoint(near, segment=segment)
        datagrams = [bytes([number]) * 1000 for number in range(40)]
        endpoint.send((data, far.getsockname()) for data in datagrams)
        assert [far.recv(2000) for _ in datagrams] == datagrams
        assert (endpoint.totals.sent, endpoint.totals.send_calls) == (40, calls)
        assert str(endpoint.totals) == f"sent 40 datagrams by {calls} system calls (0 failed), received 0"
        endpoint.close()

    _run(test)


def test_what_the_socket_does_not_take_waits_and_connections_with_it() -> None:
    async def test(near: socket.socket, far: socket.socket) -> None:
        endpoint = Endpoint(near, segment=False)
        fake = Socket(near, takes=1)
        endpoint._sock = fake  # type: ignore[assignment]  # it is one as far as this goes
        endpoint.send((b"x", far.getsockname()) for _ in range(3))
        assert endpoint.blocked
        connection = Receiver()
        endpoint.touch(connection)
        endpoint.send([(b"y", far.getsockname())])
        assert (len(fake.sent), connection.turns) == (1, [])
        fake.takes = 100
        connection.wanted = 0
        await connection.done.wait()
        assert (len(fake.sent), connection.turns) == (4, [0])
        endpoint.close()

    _run(test)


@pytest.mark.parametrize("takes", [100, 2])
def test_where_segmentation_is_refused_datagrams_leave_one_by_one(
    takes: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(near: socket.socket, far: socket.socket) -> None:
        endpoint = Endpoint(near, segment=True)
        fake = Socket(near, takes, errno.EIO)
        endpoint._sock = fake  # type: ignore[assignment]  # it is one as far as this goes
        endpoint.send((b"x", far.getsockname()) for _ in range(5))
        fake.takes = 100
        connection = Receiver()
        endpoint.touch(connection)
        if endpoint.blocked:
            await connection.done.wait()
        endpoint.send((b"x", far.getsockname()) for _ in range(5))
        assert fake.sent == [(1, False)] * 10
        assert (endpoint.totals.sent, endpoint.totals.send_calls) == (10, 10)
        endpoint.close()

    _run(test)
    assert capsys.readouterr().err.count("UDP_SEGMENT is refused (refused)") == 1


def test_a_datagram_that_cannot_be_sent_is_lost() -> None:
    async def test(near: socket.socket, far: socket.socket) -> None:
        endpoint = Endpoint(near, segment=False)
        endpoint.sendto(b"x" * 70_000, far.getsockname())
        endpoint.sendto(b"y", far.getsockname())
        assert far.recv(10) == b"y"
        assert (endpoint.totals.sent, endpoint.totals.failed) == (1, 1)
        endpoint.close()

    _run(test)
