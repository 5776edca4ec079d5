from __future__ import annotations

import logging
import math
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.config import Config, Server
from ktlsserve.worker import closing, handshaking, loop, requests
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.loop import Worker
from ktlsserve.worker.states import State
from tests.support.tls_client import MemoryClient
from tests.support.worker_bench import Bench, Reset

GET = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
HELLO = b"hello, world\n"
DRAIN_S = 7.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    return tmp_path


@pytest.fixture
def bench(folder: Path) -> Iterator[Bench]:
    with Bench(folder, Config(server=Server(drain_s=DRAIN_S))) as made:
        yield made


def ask(bench: Bench, client: socket.socket) -> bytes:
    bench.send_all(client, GET)
    return bench.read(client, until=HELLO)


# Nobody starves.


@pytest.fixture
def order(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was done for which connection's descriptor, in the order in which it was begun."""
    noted: list[tuple[str, int]] = []
    receive, shake = requests.receive, handshaking.continue_handshake

    def noted_receive(worker: Worker, conn: Connection) -> None:
        noted.append(("request", conn.fd))
        receive(worker, conn)

    def noted_shake(worker: Worker, conn: Connection) -> None:
        noted.append(("handshake", conn.fd))
        shake(worker, conn)

    monkeypatch.setattr(requests, "receive", noted_receive)
    monkeypatch.setattr(handshaking, "continue_handshake", noted_shake)
    return noted


def test_a_burst_of_handshakes_comes_after_requests_and_in_parts(folder: Path, order: list[tuple[str, int]]) -> None:
    most = loop._HANDSHAKES_A_TURN
    with Bench(folder, with_tls=True) as bench:
        served, tls = bench.connect(), MemoryClient()
        bench.shake_hands(served, tls)
        fd = bench.only().fd
        burst = [bench.connect() for _ in range(2 * most + 1)]
        newcomers = [conn.fd for conn in bench.connections() if conn.fd != fd]
        order.clear()
        for client in burst:
            client.sendall(MemoryClient().data_to_send())
        served.sendall(tls.send(GET))
        turns = []
        while len(order) < len(newcomers) + 1:
            before = len(order)
            bench.turn()
            turns.append(order[before:])
        # The request is first in its turn, although it came last, and no turn has more handshakes than its share.
        assert turns[0][0] == ("request", fd)
        assert [sum(what == "handshake" for what, _ in turn) for turn in turns] == [most, most, 1]
        assert sorted(fd for what, fd in order if what == "handshake") == sorted(newcomers)
        assert bench.read_tls(served, tls, until=HELLO)


def test_handshakes_that_always_have_something_to_read_keep_no_other_from_its_turn(
    folder: Path, order: list[tuple[str, int]]
) -> None:
    count = 3 * loop._HANDSHAKES_A_TURN
    with Bench(folder, with_tls=True) as bench:
        burst = [bench.connect() for _ in range(count)]
        hello = MemoryClient().data_to_send()
        order.clear()
        for number in range(6):
            for client in burst:
                client.sendall(hello[number : number + 1])
            bench.turn()
        assert [order.count(("handshake", conn.fd)) for conn in bench.connections()] == [2] * count


def test_a_handshake_that_ended_in_its_turn_is_not_gone_on_with(folder: Path) -> None:
    with Bench(folder, with_tls=True) as bench:
        bench.connect()
        conn = bench.only()
        bench.worker.handshake_waits(conn)
        closing.abort(bench.worker, conn)
        bench.worker._run_handshakes()
        assert conn.state is State.CLOSED


# A bug costs one connection.


def test_an_exception_ends_its_connection_and_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    healthy = bench.connect()
    ask(bench, healthy)
    unlucky = bench.connect()
    target = bench.connections()[1]
    receive = requests.receive

    def fail_for_one(worker: Worker, conn: Connection) -> None:
        if conn is target:
            raise ZeroDivisionError("nobody foresaw this")
        receive(worker, conn)

    monkeypatch.setattr(requests, "receive", fail_for_one)
    bench.send_all(unlucky, GET)
    with pytest.raises(Reset):
        bench.read(unlucky)
    assert f"{target.peer}: a bug ended this connection in state HEAD" in caplog.text
    assert "nobody foresaw this" in caplog.text
    assert ask(bench, healthy)
    assert len(bench.connections()) == 1


def test_a_bug_in_a_connection_that_has_closed_meanwhile_is_only_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.connect()
    conn = bench.only()

    def close_and_fail(worker: Worker, conn: Connection) -> None:
        closing.close(worker, conn)
        raise ZeroDivisionError

    bench.worker._guard(conn, close_and_fail)
    assert "a bug ended this connection in state CLOSED" in caplog.text


# Postponed actions.


def test_a_postponed_action_runs_in_the_same_state_only(bench: Bench) -> None:
    bench.connect()
    conn = bench.only()
    ran = []
    bench.worker.later(conn, lambda _worker, _conn: ran.append("same state"))
    bench.turn()
    bench.worker.later(conn, lambda _worker, _conn: ran.append("another state"))
    conn.move(State.IDLE)
    bench.turn()
    assert ran == ["same state"]


def test_a_postponed_action_may_postpone_itself_without_ending_the_turn(bench: Bench) -> None:
    bench.connect()
    conn = bench.only()
    ran = []

    def again(worker: Worker, conn: Connection) -> None:
        ran.append(1)
        worker.later(conn, again)

    bench.worker.later(conn, again)
    for turns in (1, 2, 3):
        bench.turn()
        assert len(ran) == turns


# How long the loop sleeps.


def test_the_loop_sleeps_until_the_first_thing_to_do(bench: Bench) -> None:
    worker = bench.worker
    assert worker._wait_s() == -1
    bench.connect()
    assert 0 < worker._wait_s() <= Config().timeouts.head_s
    worker.check_again(bench.only(), soon=True)
    assert worker._wait_s() <= 0.001
    worker.check_again(bench.only(), soon=False)
    worker._run_timers()
    worker.later(bench.only(), lambda _worker, _conn: None)
    assert worker._wait_s() == 0


def test_events_are_asked_for_only_when_they_change(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.connect()
    conn = bench.only()
    modified = []

    class Counting:
        """The worker's epoll, counted."""

        @staticmethod
        def modify(_fd: int, events: int) -> None:
            modified.append(events)

    monkeypatch.setattr(bench.worker, "_epoll", Counting())
    for events in (select.EPOLLIN, select.EPOLLIN, select.EPOLLOUT, select.EPOLLOUT, select.EPOLLIN):
        bench.worker.watch(conn, events)
    monkeypatch.undo()
    assert modified == [select.EPOLLOUT, select.EPOLLIN]


# The end.


@pytest.mark.parametrize("told", ["a byte", "the end"])
def test_told_to_leave_a_worker_accepts_no_more_and_ends_what_is_idle(told: str, bench: Bench) -> None:
    idle, fresh = bench.connect(), bench.connect()
    ask(bench, idle)
    if told == "a byte":
        bench.control.send(b"L")
    else:
        bench.control.close()
    assert bench.ended(idle)
    assert bench.worker.draining
    assert not bench.worker._acceptor.owns(bench.service.listeners[0].fileno())
    # Who has connected and not asked yet is answered, and told that it is the last reply.
    bench.send_all(fresh, GET)
    last = bench.read(fresh)
    assert last.endswith(HELLO)
    assert b"Connection: close\r\n" in last


def test_a_known_request_is_the_last_one_too(bench: Bench) -> None:
    first, second = bench.connect(), bench.connect()
    ask(bench, first)
    bench.control.send(b"L")
    bench.settle()
    bench.send_all(second, GET)
    assert b"Connection: close\r\n" in bench.read(second)


def test_a_byte_sets_no_limit_and_the_end_does(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client = bench.connect()
    bench.send_all(client, GET[:10])
    bench.control.send(b"L")
    bench.settle()
    assert bench.worker._drain_until_s == math.inf
    bench.control.close()
    bench.until(lambda: bench.worker._drain_until_s < math.inf)
    bench.pass_time(DRAIN_S - 1)
    assert bench.connections()
    bench.pass_time(1)
    assert not bench.connections()
    with pytest.raises(Reset):
        bench.read(client)
    assert "1 connections did not end in time and are aborted" in caplog.text


def test_a_worker_that_has_drained_returns(folder: Path) -> None:
    with Bench(folder, Config()) as bench:
        client = bench.connect()
        ask(bench, client)
        # The loop itself, for once, with nobody to turn it.
        running = threading.Thread(target=bench.worker.run)
        running.start()
        client.settimeout(10)
        client.sendall(GET)
        received = b""
        while HELLO not in received:
            received += client.recv(65536)
        bench.control.close()
        assert client.recv(1) == b""
        client.close()
        running.join(10)
        assert not running.is_alive()


# What the worker learns of the disk.


def test_a_kernel_without_notices_is_no_obstacle(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(loop, "ChangeNotices", refuse)
    with Bench(folder) as bench:
        assert "changes of files are looked for at each request: inotify: Too many open files" in caplog.text
        client = bench.connect()
        for content in (HELLO, b"changed, at once\n"):
            (folder / "hello.txt").write_bytes(content)
            bench.send_all(client, GET)
            assert bench.read(client, until=content)


def test_errors_and_hang_ups_are_found_out(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client = bench.connect()
    bench.send_all(client, GET * 3)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    with caplog.at_level(logging.WARNING):
        bench.until(lambda: not bench.connections())
    assert caplog.records == []
