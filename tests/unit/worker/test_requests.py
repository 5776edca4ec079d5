from __future__ import annotations

import contextlib
import errno
import logging
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ktlsserve.config import Config, Http, Limits
from ktlsserve.errors import KeyUpdateUnsupported, PeerViolation, RxKeyError
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import Request
from ktlsserve.worker import requests
from ktlsserve.worker.connection import Timeout
from ktlsserve.worker.receivers import SocketReceiver
from ktlsserve.worker.states import State
from tests.support.tls_client import MemoryClient
from tests.support.worker_bench import Bench, Reset

TIMEOUTS = Config().timeouts
HELLO = b"hello, world\n"
LARGE = bytes(range(256)) * 2400


def get(path: str = "hello.txt", *fields: str) -> bytes:
    return "\r\n".join((f"GET /{path} HTTP/1.1", "Host: localhost", *fields, "", "")).encode()


def replies(data: bytes) -> list[int]:
    """Return the statuses in a stream of replies whose bodies have no status line in them."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    (tmp_path / "large.bin").write_bytes(LARGE)
    return tmp_path


@pytest.fixture
def bench(folder: Path) -> Iterator[Bench]:
    with Bench(folder) as made:
        yield made


def ask(bench: Bench, client: socket.socket, request: bytes | None = None) -> bytes:
    bench.send_all(client, request or get())
    return bench.read(client, until=HELLO)


def timeout_of(bench: Bench) -> Timeout | None:
    return bench.worker.deadlines._kind_of.get(bench.only())


# One after another.


def test_requests_are_answered_on_one_connection(bench: Bench) -> None:
    client = bench.connect()
    conn = bench.only()
    assert (conn.state, timeout_of(bench)) == (State.HEAD, Timeout.HEAD)
    for _ in range(3):
        assert ask(bench, client).startswith(b"HTTP/1.1 200 OK\r\n")
        assert (conn.state, timeout_of(bench)) == (State.IDLE, Timeout.IDLE)


def test_a_head_may_come_byte_by_byte(bench: Bench) -> None:
    client = bench.connect()
    for position in range(len(get())):
        bench.send_all(client, get()[position : position + 1])
        bench.turn(0.01)
    assert bench.read(client, until=HELLO)


def test_pipelined_requests_are_answered_in_order_and_in_turns(bench: Bench) -> None:
    greedy, modest = bench.connect(), bench.connect()
    count = 10 * requests._REPLIES_A_TURN
    bench.send_all(greedy, b"".join(get(f"missing-{number}") if number % 2 else get() for number in range(count)))
    bench.send_all(modest, get())
    # The other one isn't kept waiting until all of them are answered.
    bench.read(modest, until=HELLO)
    received = greedy.recv(1 << 20)
    assert len(replies(received)) < count
    while len(replies(received)) < count:
        bench.turn(0.01)
        with contextlib.suppress(BlockingIOError):
            received += greedy.recv(1 << 20)
    assert replies(received) == [200, 404] * (count // 2)


@pytest.mark.parametrize("with_tls", [False, True])
def test_known_requests_in_pieces_that_epoll_does_not_see(with_tls: bool, folder: Path) -> None:
    """Two requests in two records and one read: the second lies in OpenSSL when the first is answered."""
    with Bench(folder, with_tls=with_tls) as bench:
        client, tls = bench.connect(), MemoryClient()
        if with_tls:
            bench.shake_hands(client, tls)
        for _ in range(3):
            if with_tls:
                bench.send_all(client, tls.send(get()) + tls.send(get()) + tls.send(get("missing")) + tls.send(get()))
                received = bench.read_tls(client, tls, until=HELLO)
                while len(replies(received)) < 4:
                    received += bench.read_tls(client, tls, until=HELLO)
            else:
                bench.send_all(client, get() * 2 + get("missing") + get())
                received = bench.read(client, until=HELLO)
                while len(replies(received)) < 4:
                    received += bench.read(client, until=HELLO)
            assert replies(received) == [200, 200, 404, 200]


def test_a_changed_file_is_served_as_it_is(bench: Bench, folder: Path) -> None:
    client = bench.connect()
    ask(bench, client)
    ask(bench, client)
    (folder / "hello.txt").write_bytes(b"changed")
    bench.send_all(client, get())
    assert bench.read(client, until=b"changed")


def test_a_reply_whose_files_became_doubtful_while_it_was_made_is_not_kept(bench: Bench) -> None:
    client = bench.connect()
    conn = bench.only()
    front = conn.front

    def doubt(request: Request, now_s: int) -> Reply:
        reply = front.answer(request, now_s)
        bench.worker.files.epoch += 1
        return reply

    conn.front = replace(front, answer=doubt)
    ask(bench, client)
    assert front.memo.find(get(), bench.worker.now_s) is None
    conn.front = front
    ask(bench, client)
    assert front.memo.find(get(), bench.worker.now_s) is not None


# Bodies.


def test_a_body_is_read_over(bench: Bench) -> None:
    client = bench.connect()
    conn = bench.only()
    bench.send_all(client, b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
    assert bench.read(client, until=HELLO)
    bench.settle()
    assert (conn.state, timeout_of(bench)) == (State.BODY, Timeout.HEAD)
    bench.send_all(client, b"67890" + get())
    assert bench.read(client, until=HELLO)
    assert conn.state is State.IDLE


def test_a_body_that_is_malformed_ends_the_connection_without_a_second_reply(bench: Bench) -> None:
    client = bench.connect()
    bench.send_all(client, b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
    assert bench.read(client, until=HELLO)
    bench.send_all(client, b"cdeXX\r\n")
    assert bench.ended(client)


# Ends.


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (get("hello.txt", "Connection: close"), 200),
        (b"GET /hello.txt HTTP/1.0\r\n\r\n", 200),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (get("x" * 9000), 414),
        (get("hello.txt", *[f"X-{number}: y" for number in range(200)]), 431),
    ],
)
def test_after_a_last_reply_comes_the_end(request_bytes: bytes, status: int, bench: Bench) -> None:
    client = bench.connect()
    # What follows isn't looked at.
    bench.send_all(client, request_bytes + get())
    received = bench.read(client)
    assert replies(received) == [status]
    client.close()
    bench.until(lambda: not bench.connections())


def test_a_client_that_has_finished_speaking_gets_its_replies(bench: Bench) -> None:
    client = bench.connect()
    bench.send_all(client, get() * 3)
    client.shutdown(socket.SHUT_WR)
    received = bench.read(client)
    assert replies(received) == [200] * 3
    bench.until(lambda: not bench.connections())


def test_half_a_head_and_the_end_is_no_request(bench: Bench) -> None:
    client = bench.connect()
    bench.send_all(client, get()[:20])
    client.shutdown(socket.SHUT_WR)
    assert bench.ended(client)


def test_a_reset_is_forgotten(bench: Bench) -> None:
    client = bench.connect()
    ask(bench, client)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    bench.until(lambda: not bench.connections())


# Time.


def test_silence_is_answered_with_silence(bench: Bench) -> None:
    for request in (b"", get()):
        client = bench.connect()
        if request:
            ask(bench, client)
        conn = bench.only()
        limit_s = TIMEOUTS.idle_s if request else TIMEOUTS.head_s
        bench.pass_time(limit_s - 1)
        assert conn.state in (State.IDLE, State.HEAD)
        bench.turn()
        bench.pass_time(limit_s)
        assert bench.ended(client)
        client.close()
        bench.until(lambda: not bench.connections())


def test_half_a_head_is_answered_with_408(bench: Bench) -> None:
    client = bench.connect()
    ask(bench, client)
    conn = bench.only()
    bench.send_all(client, get()[:20])
    bench.settle()
    assert (conn.state, timeout_of(bench)) == (State.HEAD, Timeout.HEAD)
    started_s = bench.worker.deadlines._queues[Timeout.HEAD][conn]
    # More bytes don't start the time anew.
    bench.send_all(client, get()[20:30])
    bench.settle()
    assert bench.worker.deadlines._queues[Timeout.HEAD][conn] == started_s
    bench.pass_time(TIMEOUTS.head_s)
    received = bench.read(client)
    assert replies(received) == [408]
    assert b"Connection: close" in received


def test_half_a_body_is_not_answered_twice(bench: Bench) -> None:
    client = bench.connect()
    bench.send_all(client, b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
    assert bench.read(client, until=HELLO)
    bench.settle()
    bench.pass_time(TIMEOUTS.head_s)
    assert bench.ended(client)


# Reading while a reply is being sent.


def test_while_a_reply_is_sent_input_is_kept_but_bounded(folder: Path) -> None:
    config = Config(http=Http(max_head_bytes=4096), limits=Limits(slice_bytes=16384))
    with Bench(folder, config) as bench:
        client = bench.connect(receive_buffer_bytes=16384)
        conn = bench.only()
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        bench.send_all(client, get("large.bin"))
        bench.until(lambda: conn.state is State.SENDING)
        bench.send_all(client, get() * 10_000)
        for _ in range(20):
            bench.turn()
        # One read beyond the bound at most; the rest waits in the kernel.
        assert 4096 <= len(conn.buffer) <= 4096 + requests._READ_BYTES
        received = bench.read(client, count=len(LARGE) + 1000)
        assert LARGE in received
        assert replies(received[received.index(LARGE) + len(LARGE) :])[0] == 200


# What a receiver may say.


class Scripted(SocketReceiver):
    """A fake receiver that fails once with what the test says."""

    __slots__ = ()

    def __init__(self, error: Exception) -> None:
        def fail(_most: int) -> bytes:
            raise error

        self.recv = fail  # type: ignore[assignment]


def test_a_violation_ends_an_idle_connection_in_order(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client = bench.connect()
    ask(bench, client)
    bench.only().receiver = Scripted(PeerViolation("a record of type 99"))
    bench.send_all(client, b"x")
    with caplog.at_level(logging.INFO):
        assert bench.ended(client)
    assert "connection ends: a record of type 99" in caplog.text


@pytest.mark.parametrize(
    ("error", "reset"), [(PeerViolation("broken"), True), (KeyUpdateUnsupported("can't change keys"), False)]
)
def test_a_reply_that_is_cut_does_not_look_whole(error: Exception, reset: bool, bench: Bench) -> None:
    client = bench.connect(receive_buffer_bytes=16384)
    conn = bench.only()
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    bench.send_all(client, get("large.bin"))
    bench.until(lambda: conn.state is State.SENDING)
    conn.receiver = Scripted(error)
    bench.send_all(client, b"x")
    bench.until(lambda: conn.state is not State.SENDING)
    if reset:
        with pytest.raises(Reset):
            bench.read(client)
    else:
        # The peer did no wrong and is told in order; Content-Length tells it that the reply isn't whole.
        assert len(bench.read(client)) < len(LARGE)


def test_a_key_that_the_kernel_refuses_is_a_warning_and_no_bug(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client = bench.connect()
    bench.only().receiver = Scripted(RxKeyError(errno.EBUSY))
    bench.send_all(client, b"x")
    with pytest.raises(Reset):
        bench.ended(client)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "a key is installed already" in caplog.text


def test_a_connection_without_its_receiver_is_a_bug(bench: Bench) -> None:
    bench.connect()
    conn = bench.only()
    conn.receiver = None
    with pytest.raises(RuntimeError, match="that is ready"):
        requests.receive(bench.worker, conn)


# A key that is worn out.


@pytest.mark.parametrize("known", [False, True])
def test_a_worn_key_protects_no_further_reply(known: bool, bench: Bench) -> None:
    client = bench.connect()
    if known:
        ask(bench, client)
        ask(bench, client)
    conn = bench.only()

    class Worn:
        """The connection's own sender, worn out."""

        worn_out = True

        def __getattr__(self, name: str) -> object:
            return getattr(plain, name)

    plain, conn.sender = conn.sender, Worn()  # type: ignore[assignment]
    bench.send_all(client, get() + get())
    received = bench.read(client)
    assert replies(received) == [200]


# The access log.


def test_each_reply_has_a_line(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    config = Config()
    config = replace(config, log=replace(config.log, access_log=log))
    with Bench(folder, config) as bench:
        client = bench.connect()
        for path in ("hello.txt", "hello.txt", "missing"):
            bench.send_all(client, get(path, "User-Agent: tester", "Referer: http://a/"))
            bench.settle()
        bench.send_all(client, b"nonsense\r\n\r\n")
        bench.read(client)
        assert log.read_bytes() == b""
        bench.pass_time(1.0)
        lines = log.read_text().splitlines()
    found = [(re.findall(r'"([^"]*)" (\d{3}) (\d+|-)', line)[0], line) for line in lines]
    assert [item[0][:2] for item in found] == [
        ("GET /hello.txt HTTP/1.1", "200"),
        ("GET /hello.txt HTTP/1.1", "200"),
        ("GET /missing HTTP/1.1", "404"),
        ("", "400"),
    ]
    assert all(line.startswith("127.0.0.1 ") for line in lines)
    assert all('"http://a/" "tester"' in line for line in lines[:3])
    assert found[0][0][2] == found[1][0][2] == str(len(HELLO))
