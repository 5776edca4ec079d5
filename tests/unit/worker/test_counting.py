"""What a worker counts, from what clients do to it."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest
from OpenSSL import SSL

from ktlsserve.config import Config, Limits, Server
from ktlsserve.errors import TxKeyError
from ktlsserve.http1.reply import Reply, ReplyTerms, make_reply
from ktlsserve.http1.request import Request
from ktlsserve.observe.board import Board
from ktlsserve.observe.counters import NO_SITE, Labels
from ktlsserve.tls.suites import TlsVersion
from ktlsserve.worker import counting, requests
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.loop import Worker
from tests.support.tls_client import MemoryClient, Wishes
from tests.support.worker_bench import Bench, Reset

HELLO = b"hello, world\n"
GET = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
GET_LARGE = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE_BYTES = 3_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    (tmp_path / "large").write_bytes(bytes(LARGE_BYTES))
    return tmp_path


@pytest.fixture
def plain(folder: Path) -> Iterator[Bench]:
    with Bench(folder) as made:
        yield made


@pytest.fixture
def bench(folder: Path) -> Iterator[Bench]:
    with Bench(folder, with_tls=True) as made:
        yield made


def counted(bench: Bench, family: str) -> dict[Labels, int]:
    """Return the counts of a family that aren't 0."""
    found = bench.service.counters.by_family(bench.worker.counts)[family]
    return {labels: count for labels, count in found.items() if count}


def ask(bench: Bench, client: socket.socket, head: bytes = GET, until: bytes = HELLO) -> bytes:
    bench.send_all(client, head)
    return bench.read(client, until=until)


def speak(bench: Bench, wishes: Wishes | None = None, *, earlier: MemoryClient | None = None) -> MemoryClient:
    client, tls = bench.connect(), MemoryClient(wishes, earlier=earlier)
    bench.shake_hands(client, tls)
    bench.send_all(client, tls.send(GET))
    assert HELLO in bench.read_tls(client, tls, until=HELLO)
    return tls


# Requests.


def test_replies_are_counted_by_site_and_status_and_whether_they_were_remembered(plain: Bench) -> None:
    client = plain.connect()
    for _ in range(3):
        ask(plain, client)
    ask(plain, client, GET.replace(b"hello", b"nobody"), b"404 Not Found\n")
    assert counted(plain, "requests_worked_out") == {("default", "200"): 1, ("default", "404"): 1}
    assert counted(plain, "requests_remembered") == {("default", "200"): 2}


def test_heads_that_are_no_requests_belong_to_no_site(plain: Bench) -> None:
    ask(plain, plain.connect(), b"nonsense\r\n\r\n", b"400 Bad Request\n")
    late = plain.connect()
    plain.send_all(late, GET[:20])
    plain.settle()
    plain.pass_time(3600)
    assert b"408 Request Timeout" in plain.read(late)
    assert counted(plain, "requests_worked_out") == {(NO_SITE, "400"): 1, (NO_SITE, "408"): 1}
    assert counted(plain, "timeouts")[("head",)] == 1


def test_pipelined_requests_are_counted_one_by_one(plain: Bench) -> None:
    client = plain.connect()
    plain.send_all(client, GET * 5)
    plain.read(client, count=5 * len(HELLO))
    plain.settle()
    counts = counted(plain, "requests_worked_out"), counted(plain, "requests_remembered")
    assert sum(sum(family.values()) for family in counts) == 5


# Bytes.


def test_bytes_are_those_that_the_client_got(plain: Bench) -> None:
    client = plain.connect()
    got = len(ask(plain, client)) + len(ask(plain, client))
    # A small file is in memory from the second time on.
    assert counted(plain, "sent_bytes") == {("memory", "off"): got - len(HELLO), ("sendfile", "off"): len(HELLO)}


@pytest.mark.parametrize("times", [1, 2])
def test_large_files_go_by_sendfile_slice_by_slice(times: int, plain: Bench) -> None:
    client = plain.connect(receive_buffer_bytes=4096)
    heads = 0
    for _ in range(times):
        plain.send_all(client, GET_LARGE)
        plain.settle()
        under_way = counted(plain, "sent_bytes")[("sendfile", "off")]
        reply = plain.read(client, until=b"\r\n\r\n")
        heads += reply.index(b"\r\n\r\n") + 4
        plain.read(client, count=LARGE_BYTES - len(reply) + reply.index(b"\r\n\r\n") + 4)
        plain.settle()
        assert 0 < under_way < times * LARGE_BYTES
    assert counted(plain, "sent_bytes") == {("memory", "off"): heads, ("sendfile", "off"): times * LARGE_BYTES}


def test_what_was_taken_of_a_reply_that_is_cut_counts(plain: Bench) -> None:
    client = plain.connect(receive_buffer_bytes=4096)
    plain.send_all(client, GET_LARGE)
    plain.settle()
    (conn,) = plain.connections()
    assert conn.outbox is not None
    unsent = conn.outbox.unsent_bytes
    plain.pass_time(3600)
    assert counted(plain, "sent_bytes")[("sendfile", "off")] == LARGE_BYTES - unsent
    assert counted(plain, "timeouts") == {("send",): 1}
    with contextlib.suppress(Reset):
        plain.read(client)


def test_in_userspace_all_goes_one_way(bench: Bench) -> None:
    speak(bench)
    assert set(counted(bench, "sent_bytes")) == {("userspace", "userspace")}


# Connections.


def test_connections_are_counted_as_long_as_they_are_open(plain: Bench) -> None:
    first, second = plain.connect(), plain.connect()
    assert counted(plain, "connections") == {("off",): 2}
    ask(plain, first)
    first.close()
    plain.until(lambda: len(plain.connections()) == 1)
    assert counted(plain, "connections") == {("off",): 1}
    ask(plain, second)
    plain.pass_time(3600)
    assert plain.ended(second)
    plain.pass_time(3600)
    plain.until(lambda: not plain.connections())
    assert counted(plain, "connections") == {}
    assert counted(plain, "connections_accepted") == {(): 2}
    assert counted(plain, "timeouts")[("idle",)] == 1


def test_a_handshake_is_pending_until_it_is_done(bench: Bench) -> None:
    client = bench.connect()
    assert counted(bench, "connections") == {("pending",): 1}
    tls = MemoryClient()
    bench.shake_hands(client, tls)
    assert counted(bench, "connections") == {("userspace",): 1}
    bench.connect().close()
    bench.until(lambda: len(bench.connections()) == 1)
    assert counted(bench, "connections") == {("userspace",): 1}
    assert counted(bench, "handshake_failures") == {("left",): 1}


def test_a_bug_is_counted_and_its_connection_no_more(plain: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    client = plain.connect()

    def fail(worker: Worker, conn: Connection) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(requests, "receive", fail)
    plain.send_all(client, GET)
    with pytest.raises(Reset):
        plain.read(client)
    assert counted(plain, "bugs") == {(): 1}
    assert counted(plain, "connections") == {}


# Handshakes.


def test_handshakes_are_counted_by_what_was_agreed(bench: Bench) -> None:
    tls = speak(bench, Wishes(groups=("P-256",)))
    speak(bench, earlier=tls)
    found = counted(bench, "handshakes")
    assert sum(found.values()) == 2
    assert {labels[0] for labels in found} == {"TLS 1.3"}
    assert {labels[2] for labels in found} == {"P-256"}
    assert {labels[3] for labels in found} == {"no", "yes"}
    durations = bench.service.counters.by_family(bench.worker.counts)
    assert sum(durations["handshake_durations"].values()) == 2
    assert durations["handshake_durations_ns"][()] > 0
    assert counted(bench, "tls_connections") == {("userspace", "userspace"): 2}


def test_a_resumed_session_of_tls_12_has_the_group_that_it_began_with(bench: Bench) -> None:
    tls = speak(bench, Wishes(version=TlsVersion.TLS1_2, groups=("P-256",)))
    speak(bench, earlier=tls)
    assert {labels[2:] for labels in counted(bench, "handshakes")} == {("P-256", "no"), ("P-256", "yes")}


def test_a_group_that_nobody_configured_is_counted_too(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "GROUPS", {})
    speak(bench)
    assert {labels[2] for labels in counted(bench, "handshakes")} == {"none"}


@pytest.mark.parametrize(("said", "reason"), [(b"GET / HTTP/1.1\r\n\r\n", "plain_http"), (b"\0\0\0\0\0\0", "not_tls")])
def test_failures_have_their_reason(said: bytes, reason: str, bench: Bench) -> None:
    client = bench.connect()
    bench.send_all(client, said)
    with contextlib.suppress(Reset):
        bench.read(client)
    assert counted(bench, "handshake_failures") == {(reason,): 1}


def test_a_handshake_that_takes_too_long_is_a_failure_and_a_timeout(bench: Bench) -> None:
    client = bench.connect()
    bench.pass_time(3600)
    with pytest.raises(Reset):
        bench.read(client)
    assert counted(bench, "handshake_failures") == {("timeout",): 1}
    assert counted(bench, "timeouts") == {("handshake",): 1}


def test_keys_that_the_kernel_refuses_are_a_failure_where_it_must_take_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise TxKeyError(errno.EINVAL)

    monkeypatch.setattr("ktlsserve.worker.handshaking.hand_over", refuse)
    client, tls = bench.connect(), MemoryClient()
    with contextlib.suppress(Reset, SSL.Error):
        bench.shake_hands(client, tls)
    assert counted(bench, "handshake_failures") == {("hand_over",): 1}
    assert counted(bench, "handshakes") == {}


@pytest.mark.parametrize("with_tls", [False, True])
def test_a_wrong_proxy_header_is_a_failure(folder: Path, with_tls: bool) -> None:
    config = Config(server=Server(proxy_protocol=(ip_network("127.0.0.0/8"),)))
    with Bench(folder, config, with_tls=with_tls) as bench:
        wrong, gone = bench.connect(), bench.connect()
        assert counted(bench, "connections") == {("pending",): 2}
        bench.send_all(wrong, GET)
        gone.close()
        bench.until(lambda: not bench.connections())
        assert counted(bench, "handshake_failures") == {("proxy_header",): 1, ("left",): 1}
        assert counted(bench, "connections") == {}


# What others count.


def test_pauses_of_accepting(folder: Path) -> None:
    with Bench(folder, Config(limits=Limits(connections=1))) as bench:
        board = Board(bench.service.counters, 1)
        bench.worker._upkeep = bench.worker._make_upkeep(board.slot(0))
        first = bench.connect()
        second = socket.create_connection(bench.address)
        bench.settle()
        ask(bench, first)
        first.close()
        port = f":{second.getsockname()[1]}"
        bench.until(lambda: [conn.peer.endswith(port) for conn in bench.connections()] == [True])
        bench.worker._upkeep.run(0.0)
        assert board.totals()["accept_pauses"][("limit",)] == 2
        lookups = board.totals()["file_cache_lookups"]
        assert (lookups[("hit",)], lookups[("miss",)]) == (0, 1)
        second.close()


def test_an_idle_worker_shows_its_counts_once_and_sleeps(folder: Path) -> None:
    with Bench(folder) as bench:
        board = Board(bench.service.counters, 1)
        bench.worker._upkeep = bench.worker._make_upkeep(board.slot(0))
        bench.worker._run_timers()
        assert bench.worker._wait_s() > 0
        bench.pass_time(2)
        # Nothing is due any more, so poll waits for ever.
        assert bench.worker._wait_s() == -1
        bench.worker._run_timers()
        assert bench.worker._wait_s() > 0


# An endpoint in the place of the sites.


def test_where_something_else_answers_it_is_asked_each_time(folder: Path) -> None:
    asked = 0

    def answer(request: Request, now_s: int) -> Reply:
        nonlocal asked
        asked += 1
        return make_reply(200, ReplyTerms.of(request, now_s, b""), (), (b"%d times\n" % asked,))

    with Bench(folder) as bench:
        worker = Worker(replace(bench.service, answer=answer), bench._theirs)
        bench.worker._front = worker._front
        client = bench.connect()
        for number in (1, 2, 3):
            assert ask(bench, client, until=b"times\n").endswith(b"%d times\n" % number)
        assert counted(bench, "requests_worked_out") == {(NO_SITE, "200"): 3}
        worker._epoll.close()
