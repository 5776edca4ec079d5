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
from ktlsserve.worker.orders import ALIVE, PING, RETIRE, STOP
from ktlsserve.worker.stages import IDLE_GRACE_S
from ktlsserve.worker.states import State
from tests.support.tls_client import MemoryClient
from tests.support.worker_bench import Bench, Reset

GET = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
READY = GET.replace(b"/hello.txt", b"/readyz")
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
        bench.control.send(RETIRE)
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
    bench.control.send(RETIRE)
    bench.settle()
    bench.send_all(second, GET)
    assert b"Connection: close\r\n" in bench.read(second)


def test_a_byte_sets_no_limit_and_the_end_does(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client = bench.connect()
    bench.send_all(client, GET[:10])
    bench.control.send(RETIRE)
    bench.settle()
    assert bench.worker.departure.abort_s == math.inf
    bench.control.close()
    bench.until(lambda: bench.worker.departure.abort_s < math.inf)
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


# A stop that a load balancer is to notice, and a successor that has taken over.

PAUSE_S = 2.0


@pytest.fixture
def stopped(folder: Path) -> Iterator[Bench]:
    with Bench(folder, Config(server=Server(drain_s=DRAIN_S, drain_pause_s=PAUSE_S, ready_path="/readyz"))) as made:
        yield made


def stop(bench: Bench) -> None:
    bench.control.send(STOP)
    bench.until(lambda: bench.worker.draining)


def test_it_answers_that_it_lives(bench: Bench) -> None:
    bench.control.send(PING)
    bench.turn(1.0)
    assert bench.control.recv(16) == ALIVE
    assert not bench.worker.draining


def test_while_a_load_balancer_notices_everybody_is_served(stopped: Bench) -> None:
    idle = stopped.connect()
    ask(stopped, idle)
    checked = stopped.connect()
    stopped.send_all(checked, READY)
    assert stopped.read(checked, until=b"ready\n").startswith(b"HTTP/1.1 200 ")
    stop(stopped)
    # A known reply isn't given from memory.
    stopped.send_all(checked, READY)
    assert stopped.read(checked).startswith(b"HTTP/1.1 404 ")
    for client in (idle, stopped.connect()):
        stopped.send_all(client, GET)
        assert b"Connection: close\r\n" in stopped.read(client)
    assert not stopped.worker._is_done()


def test_after_the_pause_what_is_idle_ends_and_what_comes_is_served(stopped: Bench) -> None:
    idle = stopped.connect()
    ask(stopped, idle)
    stop(stopped)
    stopped.pass_time(PAUSE_S - 0.1)
    assert stopped.only().state is State.IDLE
    stopped.pass_time(0.1)
    assert stopped.ended(idle)
    late = stopped.connect()
    stopped.send_all(late, GET)
    assert b"Connection: close\r\n" in stopped.read(late)


def test_a_request_that_has_come_when_the_pause_ends_is_answered(stopped: Bench) -> None:
    idle = stopped.connect()
    ask(stopped, idle)
    stop(stopped)
    # In the socket, and the worker hasn't looked.
    idle.sendall(GET)
    stopped.pass_time(PAUSE_S)
    last = stopped.read(idle)
    assert last.endswith(HELLO)
    assert b"Connection: close\r\n" in last


def test_the_last_worker_takes_who_is_in_the_queue(stopped: Bench) -> None:
    stop(stopped)
    stopped.pass_time(PAUSE_S)
    waiting = socket.create_connection(stopped.address)
    assert not stopped.worker._is_done()
    waiting.sendall(GET)
    waiting.setblocking(False)
    assert stopped.read(waiting).endswith(HELLO)
    waiting.close()
    stopped.until(lambda: not stopped.connections())
    assert stopped.worker._is_done()


def test_the_limit_holds_for_those_who_came_late(stopped: Bench, caplog: pytest.LogCaptureFixture) -> None:
    stop(stopped)
    stopped.pass_time(PAUSE_S)
    late = stopped.connect()
    stopped.pass_time(DRAIN_S)
    assert stopped.worker._is_done()
    assert not stopped.connections()
    with pytest.raises(Reset):
        stopped.read(late)
    assert "1 connections did not end in time and are aborted" in caplog.text


def test_a_successor_has_taken_over_and_an_idle_connection_may_ask_once_more(stopped: Bench) -> None:
    asking, silent, checked = (stopped.connect() for _ in range(3))
    ask(stopped, asking)
    ask(stopped, silent)
    stopped.control.send(RETIRE)
    stopped.until(lambda: stopped.worker.draining)
    assert not stopped.worker._acceptor.owns(stopped.service.listeners[0].fileno())
    stopped.send_all(asking, GET)
    assert b"Connection: close\r\n" in stopped.read(asking)
    # Nothing stops: that another serves is nothing to a load balancer.
    stopped.send_all(checked, READY)
    assert stopped.read(checked).startswith(b"HTTP/1.1 200 ")
    assert not stopped.worker._is_done()
    stopped.pass_time(IDLE_GRACE_S)
    assert stopped.ended(silent)


def test_requests_that_wait_for_their_turn_are_not_idle(stopped: Bench) -> None:
    client = stopped.connect()
    count = 40
    client.sendall(GET * count)
    stopped.turn(1.0)
    # More than a turn's worth: the connection waits, in the state of one that is idle.
    assert stopped.only().state is State.IDLE
    stop(stopped)
    stopped.pass_time(PAUSE_S)
    received = stopped.read(client)
    assert received.count(b"HTTP/1.1 200 ") > 16
    assert received.count(b"Connection: close\r\n") == 1
    assert received.endswith(HELLO)


def test_errors_and_hang_ups_are_found_out(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client = bench.connect()
    bench.send_all(client, GET * 3)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    with caplog.at_level(logging.WARNING):
        bench.until(lambda: not bench.connections())
    assert caplog.records == []
