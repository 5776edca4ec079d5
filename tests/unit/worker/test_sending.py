from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ktlsserve.config import Config, Limits
from ktlsserve.errors import TxKeyError
from ktlsserve.kernel.ktls import unsent_bytes
from ktlsserve.observe.counters import OPEN_OFF, SENT_FILE_OFF, SENT_MEMORY_OFF
from ktlsserve.worker import sending
from ktlsserve.worker.connection import Connection, Timeout
from ktlsserve.worker.states import State
from tests.support.tls_client import MemoryClient
from tests.support.worker_bench import Bench, Reset

SEND_S = Config().timeouts.send_s
SLICE_BYTES = 16384
HELLO = b"hello, world\n"
LARGE = os.urandom(40 * SLICE_BYTES)


def get(path: str) -> bytes:
    return f"GET /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    (tmp_path / "large.bin").write_bytes(LARGE)
    return tmp_path


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def with_tls(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def bench(folder: Path, with_tls: bool) -> Iterator[Bench]:
    config = Config(limits=Limits(slice_bytes=SLICE_BYTES))
    with Bench(folder, config, with_tls=with_tls) as made:
        yield made


@dataclass
class Client:
    """A client that reads little at a time, with TLS or without."""

    bench: Bench
    sock: socket.socket
    tls: MemoryClient | None
    received: bytes = b""

    def ask(self, path: str) -> None:
        self.bench.send_all(self.sock, get(path) if self.tls is None else self.tls.send(get(path)))

    def take(self, count: int) -> None:
        """Take up to so many bytes off the wire."""
        try:
            data = self.sock.recv(count)
        except BlockingIOError:
            return
        self.received += data if self.tls is None else self.tls.recv(data)


def state_of(conn: Connection) -> State:
    return conn.state


def connect(bench: Bench, *, small: bool = True) -> tuple[Client, Connection]:
    sock = bench.connect(receive_buffer_bytes=8192 if small else 0)
    conn = bench.only()
    if small:
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
    tls = None
    if bench.service.tls is not None:
        tls = MemoryClient()
        bench.shake_hands(sock, tls)
    return Client(bench, sock, tls), conn


@pytest.mark.parametrize("known", [False, True])
def test_a_large_file_arrives_whole_however_slowly(known: bool, bench: Bench) -> None:
    client, conn = connect(bench)
    for _ in range(2 if known else 1):
        client.received = b""
        client.ask("large.bin")
        bench.settle()
        assert conn.state is State.SENDING
        while LARGE not in client.received:
            client.take(30_000)
            bench.turn()
    bench.until(lambda: conn.state is State.IDLE)
    assert (conn.reply, conn.outbox) == (None, None)


def test_one_connection_does_not_hold_up_another(bench: Bench) -> None:
    greedy, _ = connect(bench, small=False)
    greedy.ask("large.bin")
    bench.turn(1.0)
    sent = 0
    while not sent:
        bench.turn()
        sent = len(greedy.received)
        greedy.take(1 << 20)
        sent = len(greedy.received)
    # A slice and its head; not the forty that there are.
    assert sent < 20 * SLICE_BYTES


def test_a_client_that_takes_nothing_is_aborted(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client, conn = connect(bench)
    client.ask("large.bin")
    bench.settle()
    assert bench.worker.deadlines._kind_of[conn] is Timeout.SEND
    bench.pass_time(SEND_S - 1)
    assert state_of(conn) is State.SENDING
    with caplog.at_level(logging.INFO):
        # An acknowledgement that was delayed counts as bytes taken, and gives the client its time anew.
        for _ in range(5):
            bench.pass_time(SEND_S)
            if state_of(conn) is State.CLOSED:
                break
    assert "the client takes nothing" in caplog.text
    assert state_of(conn) is State.CLOSED
    with pytest.raises(Reset):
        bench.read(client.sock)


def test_a_client_that_takes_anything_has_its_time_anew(bench: Bench) -> None:
    """Even where its few bytes make no room that epoll would tell of."""
    client, conn = connect(bench)
    client.ask("large.bin")
    bench.settle()
    for _ in range(5):
        before = conn.unsent_bytes

        def some_were_acknowledged() -> bool:
            client.take(5000)
            assert conn.sender is not None
            assert conn.outbox is not None
            unsent = unsent_bytes(conn.sock) + conn.sender.held_bytes + conn.outbox.unsent_bytes
            return unsent < before  # noqa: B023 - called in this round only

        bench.until(some_were_acknowledged)
        bench.pass_time(SEND_S)
        assert conn.state is State.SENDING
    # Until it takes nothing more.
    bench.settle()
    bench.pass_time(SEND_S)
    bench.pass_time(SEND_S)
    assert conn.state is State.CLOSED


@pytest.mark.parametrize("known", [False, True])
def test_a_file_that_shrinks_ends_the_connection_without_an_end(
    known: bool, bench: Bench, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client, conn = connect(bench)
    if known:
        client.ask("large.bin")
        while LARGE not in client.received:
            client.take(30_000)
            bench.turn()
        bench.until(lambda: conn.state is State.IDLE)
    client.ask("large.bin")
    bench.settle()
    os.truncate(folder / "large.bin", 1000)
    with pytest.raises(Reset):
        bench.read(client.sock)
    assert "a file ends at" in caplog.text
    assert "bug" not in caplog.text
    assert conn.state is State.CLOSED


def test_a_client_that_leaves_during_a_reply_is_forgotten(bench: Bench) -> None:
    client, conn = connect(bench)
    client.ask("large.bin")
    bench.settle()
    client.sock.close()
    bench.until(lambda: conn.state is State.CLOSED)


@dataclass
class Failing:
    """A fake sender that fails with what the test says."""

    error: Exception
    holds_ciphertext: bool = False
    held_bytes: int = 0
    worn_out: bool = False
    memory_cell: int = SENT_MEMORY_OFF
    file_cell: int = SENT_FILE_OFF
    open_cell: int = OPEN_OFF
    calls: list[str] = field(default_factory=list)

    def send(self, data: bytes | memoryview, *, following_bytes: int) -> int:
        raise self.error

    def send_file(self, fd: int, offset: int, count: int) -> int:
        raise self.error

    def send_close_notify(self) -> None:
        raise AssertionError("an aborted connection says nothing")

    def flush(self) -> int:
        return 0


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "error", [TxKeyError(errno.EBUSY), BrokenPipeError(errno.EPIPE, "Broken pipe"), OSError(errno.EIO, "bad")]
)
def test_what_a_sender_can_not_do_ends_the_connection_and_is_no_bug(
    known: bool, error: Exception, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Bench(folder) as bench:
        client = bench.connect()
        conn = bench.only()
        if known:
            bench.send_all(client, get("hello.txt"))
            bench.read(client, until=HELLO)
        conn.sender = Failing(error)
        bench.send_all(client, get("hello.txt"))
        with pytest.raises(Reset):
            bench.read(client)
        assert "bug" not in caplog.text


def test_a_reply_needs_a_sender(folder: Path) -> None:
    with Bench(folder) as bench:
        bench.connect()
        with pytest.raises(RuntimeError, match="no reply to send"):
            sending.send_reply(bench.worker, bench.only())
