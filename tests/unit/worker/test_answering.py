"""Requests whose entity-tag is made of content: who waits for it, for how long, and what is kept."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from ktlsserve.config import Config, SiteDefaults
from ktlsserve.files.content_etags import HashErrand
from ktlsserve.worker import hashing as module
from ktlsserve.worker.connection import Timeout
from ktlsserve.worker.hashing import ETAG_WAIT_S, Hashing
from ktlsserve.worker.states import State
from tests.support.content_tags import tag_of
from tests.support.worker_bench import Bench

HELLO = b"hello, world\n"
LARGE = bytes(range(256)) * 400
LIMIT_S = 30.0
CONTENT = replace(Config(), defaults=SiteDefaults(etags="content"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    (tmp_path / "large.bin").write_bytes(LARGE)
    return tmp_path


@pytest.fixture
def bench(folder: Path) -> Iterator[Bench]:
    with Bench(folder, CONTENT) as made:
        yield made
        hashing_of(made).close()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Files are hashed when the event is set, and not before."""
    go_on = Event()
    run = HashErrand.run

    def wait_and_run(self: HashErrand, stopping: Callable[[], bool]) -> bytes | None:
        assert go_on.wait(LIMIT_S)
        return run(self, stopping)

    monkeypatch.setattr(HashErrand, "run", wait_and_run)
    yield go_on
    go_on.set()


def hashing_of(bench: Bench) -> Hashing[object]:
    hashing: Hashing[object] | None = bench.worker.hashing  # type: ignore[assignment]
    assert hashing is not None
    return hashing


def get(path: str = "hello.txt", *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join((f"{method} /{path} HTTP/1.1", "Host: localhost", *fields, "", "")).encode()


def etags(data: bytes) -> list[bytes]:
    return re.findall(rb"\r\nETag: (.*)\r\n", data)


def ask(bench: Bench, client: socket.socket, request: bytes | None = None) -> bytes:
    bench.send_all(client, request or get())
    return bench.read(client, until=HELLO)


def timeout_of(bench: Bench) -> Timeout | None:
    return bench.worker.deadlines._kind_of.get(bench.only())


def kept(bench: Bench) -> int:
    return len(bench.worker._front.memo._by_key)


def test_by_default_nothing_is_hashed(folder: Path) -> None:
    with Bench(folder) as bench:
        client = bench.connect()
        assert etags(ask(bench, client)) == [b'"%x-d"' % (folder / "hello.txt").stat().st_mtime_ns]
        assert bench.worker.hashing is None


def test_a_request_waits_for_its_entity_tag(bench: Bench, gate: Event) -> None:
    client = bench.connect()
    bench.send_all(client, get())
    bench.settle()
    conn = bench.only()
    assert (conn.state, conn.interest, timeout_of(bench)) == (State.HEAD, 0, Timeout.ETAG)
    assert kept(bench) == 0
    gate.set()
    reply = bench.read(client, until=HELLO)
    assert etags(reply) == [tag_of(HELLO)]
    assert b"Last-Modified" not in reply
    assert kept(bench) == 1
    assert bench.only().state is State.IDLE


def test_all_who_ask_wait_for_one_look_at_the_file(bench: Bench, gate: Event, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    preadv = os.preadv

    def read(fd: int, buffers: list[memoryview], offset: int, flags: int = 0) -> int:
        if not flags:
            # With RWF_NOWAIT it is a look whether the file is in memory.
            reads.append(fd)
        return preadv(fd, buffers, offset, flags)

    monkeypatch.setattr(os, "preadv", read)
    clients = [bench.connect() for _ in range(5)]
    for client in clients:
        bench.send_all(client, get())
    bench.settle()
    gate.set()
    assert [etags(bench.read(client, until=HELLO)) for client in clients] == [[tag_of(HELLO)]] * 5
    assert len(reads) == 1
    # The replies that weren't sent have given the file up: the cache alone has it.
    bench.settle()
    (entry,) = bench.worker.files._entries.values()
    assert entry.file is not None
    assert entry.file._references == 1


def test_the_wait_has_an_end_without_the_entity_tag(bench: Bench, gate: Event) -> None:
    client = bench.connect()
    bench.send_all(client, get("hello.txt", f"If-None-Match: {tag_of(HELLO).decode()}"))
    bench.settle()
    bench.pass_time(ETAG_WAIT_S)
    reply = bench.read(client, until=HELLO)
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert etags(reply) == []
    # It is right, but there will be a better one: it isn't sent again.
    assert kept(bench) == 0
    gate.set()
    bench.until(lambda: hashing_of(bench)._awaited._jobs == {})
    assert etags(ask(bench, client)) == [tag_of(HELLO)]


def test_the_next_request_of_a_connection_may_wait_too(bench: Bench, gate: Event, folder: Path) -> None:
    client = bench.connect()
    gate.set()
    assert etags(ask(bench, client)) == [tag_of(HELLO)]
    (folder / "hello.txt").write_bytes(b"other, " + HELLO)
    assert etags(ask(bench, client)) == [tag_of(b"other, " + HELLO)]


def test_a_file_that_changes_all_the_time_is_sent_without(
    bench: Bench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = HashErrand.run

    def change_and_run(self: HashErrand, stopping: Callable[[], bool]) -> bytes | None:
        # In place, and never shorter than it was.
        with (folder / "hello.txt").open("r+b") as file:
            file.write(HELLO)
        return run(self, stopping)

    monkeypatch.setattr(HashErrand, "run", change_and_run)
    client = bench.connect()
    assert etags(ask(bench, client)) == []
    assert kept(bench) == 0


def test_a_long_file_is_sent_at_once(bench: Bench, gate: Event, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AWAITED_BYTES", len(HELLO) - 1)
    client = bench.connect()
    assert etags(ask(bench, client)) == []
    assert kept(bench) == 0
    gate.set()
    bench.until(lambda: hashing_of(bench)._others._jobs == {})
    assert etags(ask(bench, client)) == [tag_of(HELLO)]


def test_where_too_many_files_wait_a_request_does_not(
    folder: Path, gate: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_QUEUED", 1)
    monkeypatch.setattr("ktlsserve.worker.loop.Hashing", lambda: Hashing(1))
    for number in range(3):
        (folder / f"{number}.txt").write_bytes(b"%d" % number)
    with Bench(folder, CONTENT) as bench:
        clients = [bench.connect() for _ in range(3)]
        for number, client in enumerate(clients):
            bench.send_all(client, get(f"{number}.txt"))
            bench.settle()
        last = bench.connect()
        assert etags(ask(bench, last)) == []
        gate.set()
        assert etags(bench.read(clients[0], until=b"\r\n\r\n0")) == [tag_of(b"0")]
        hashing_of(bench).close()


def test_pipelined_requests_keep_their_order(bench: Bench, gate: Event) -> None:
    client = bench.connect()
    bench.send_all(client, get("large.bin", method="HEAD") + get("missing") + get())
    bench.settle()
    gate.set()
    data = bench.read(client, until=HELLO)
    assert re.findall(rb"HTTP/1\.1 (\d{3}) ", data) == [b"200", b"404", b"200"]
    assert etags(data) == [tag_of(LARGE), tag_of(HELLO)]


def test_a_client_that_leaves_meanwhile_costs_nothing(bench: Bench, gate: Event) -> None:
    client = bench.connect()
    bench.send_all(client, get())
    bench.settle()
    client.close()
    gate.set()
    bench.until(lambda: not bench.connections())
    other = bench.connect()
    assert etags(ask(bench, other)) == [tag_of(HELLO)]


def test_a_request_with_a_body_waits_as_well(bench: Bench, gate: Event) -> None:
    client = bench.connect()
    bench.send_all(client, get("hello.txt", "Content-Length: 3") + b"abc" + get())
    bench.settle()
    gate.set()
    data = b""
    while data.count(HELLO) < 2:
        data += bench.read(client, until=HELLO)
    assert etags(data) == [tag_of(HELLO)] * 2


def test_the_second_time_it_comes_out_of_the_memo(bench: Bench) -> None:
    client = bench.connect()
    ask(bench, client)
    known = bench.only().front.memo.find(get(), bench.worker.now_s)
    assert known is not None
    finished = known[0]
    finished.date(bench.worker.clock_s)
    assert etags(finished.wire) == [tag_of(HELLO)]
    assert etags(ask(bench, client)) == [tag_of(HELLO)]


@pytest.mark.parametrize("path", ["hello.txt", "large.bin"])
def test_a_sidecar_is_not_waited_for_and_its_change_is_seen(path: str, folder: Path, gate: Event) -> None:
    """Nothing is hashed as long as the gate is shut."""
    size, time_ns = (folder / path).stat().st_size, (folder / path).stat().st_mtime_ns

    def say(number: int) -> bytes:
        etag = b'"%032x-%x"' % (number, size)
        (folder / "draft").write_bytes(etag)
        os.utime(folder / "draft", ns=(1, time_ns))
        (folder / "draft").rename(folder / f"{path}.etag")
        return etag

    with Bench(folder, replace(Config(), defaults=SiteDefaults(etags="sidecar"))) as bench:
        client = bench.connect()
        for number in range(3):
            said = say(number)
            bench.send_all(client, get(path, method="HEAD") * 2 + get("missing"))
            assert etags(bench.read(client, until=b"Not Found\n")) == [said] * 2
        bench.send_all(client, get(f"{path}.etag"))
        assert b" 404 " in bench.read(client, until=b"Not Found\n")
        hashing_of(bench).close()
