from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.worker.connection import Timeout
from ktlsserve.worker.known import answer_from_memo
from ktlsserve.worker.states import State
from tests.support.worker_bench import Bench

HELLO = b"hello, world\n"
DATE = re.compile(rb"Date: [^\r]*")


def get(*fields: str) -> bytes:
    return "\r\n".join(("GET /hello.txt HTTP/1.1", "Host: localhost", *fields, "", "")).encode()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    with Bench(tmp_path) as made:
        yield made


def test_the_way_from_memory_gives_the_same_bytes(bench: Bench) -> None:
    client = bench.connect()
    received = []
    for request in (get(), get(), get("X-Request-Id: 7")):
        bench.send_all(client, request)
        received.append(DATE.sub(b"", bench.read(client, until=HELLO)))
    assert received[0] == received[1] == received[2]


@pytest.mark.parametrize("data", [get()[:-1], get() * 2, get() + b"G", b"", b"\r\n" + get()])
def test_what_is_not_one_known_head_is_left_to_others(data: bytes, bench: Bench) -> None:
    client = bench.connect()
    conn = bench.only()
    bench.send_all(client, get())
    bench.read(client, until=HELLO)
    assert not answer_from_memo(bench.worker, conn, data)
    assert answer_from_memo(bench.worker, conn, get())
    assert bench.read(client, until=HELLO).count(b"HTTP/1.1 ") == 1


def test_after_it_the_connection_is_idle_or_ends(bench: Bench) -> None:
    client = bench.connect()
    conn = bench.only()
    for _ in range(2):
        bench.send_all(client, get())
        bench.read(client, until=HELLO)
        assert conn.state is State.IDLE
        assert bench.worker.deadlines._kind_of[conn] is Timeout.IDLE
    for another in (bench.connect(), bench.connect()):
        bench.send_all(another, get("Connection: close"))
        assert bench.read(another).endswith(HELLO)


def test_a_worker_that_leaves_answers_the_long_way(bench: Bench) -> None:
    client = bench.connect()
    conn = bench.only()
    bench.send_all(client, get())
    bench.read(client, until=HELLO)
    bench.worker.draining = True
    assert not answer_from_memo(bench.worker, conn, get())
