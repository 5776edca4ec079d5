from __future__ import annotations

import errno
import logging
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Event

import pytest

from ktlsserve.config import Config, Limits
from ktlsserve.files.root import Root
from ktlsserve.worker import reading, residency
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.reading import Window, read_window
from ktlsserve.worker.residency import WINDOW_BYTES
from ktlsserve.worker.states import State
from tests.support.tls_client import MemoryClient
from tests.support.waiting import LIMIT_S
from tests.support.worker_bench import Bench, Reset

HELLO = b"hello, world\n"
LARGE = os.urandom(3 * WINDOW_BYTES + 1000)


class SlowDisk:
    """Holds up each read until ``release`` lets it go on; ``begun`` yields the windows that threads have come to."""

    def __init__(self) -> None:
        self.begun: Queue[Window] = Queue()
        self._go_on = Event()
        self.error: OSError | None = None

    def read_window(self, window: Window) -> bool:
        self.begun.put(window)
        assert self._go_on.wait(LIMIT_S)
        return read_window(window)

    def release(self) -> None:
        self._go_on.set()


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowDisk]:
    """A file system of which nothing is known, so that whatever is asked for first is read ahead."""
    made = SlowDisk()
    monkeypatch.setattr(reading, "read_window", made.read_window)
    monkeypatch.setattr(residency, "_RWF_NOWAIT", None)
    monkeypatch.setattr(residency, "file_system_type", lambda _device: "nfs4")
    yield made
    made.release()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    (tmp_path / "other.txt").write_bytes(HELLO)
    (tmp_path / "large.bin").write_bytes(LARGE)
    return tmp_path


@pytest.fixture
def bench(folder: Path, disk: SlowDisk) -> Iterator[Bench]:
    with Bench(folder, Config()) as made:
        yield made
        disk.release()
        made.until(lambda: not made.worker.reader._errands._jobs)


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} /{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def ask(bench: Bench, client: socket.socket, path: str) -> Connection:
    bench.send_all(client, get(path))
    bench.settle()
    return bench.connections()[-1]


def state_of(conn: Connection) -> State:
    return conn.state


@pytest.mark.parametrize("path", ["large.bin", "hello.txt"])
def test_a_cold_file_holds_up_its_own_client_alone(path: str, bench: Bench, disk: SlowDisk) -> None:
    other = bench.connect()
    waiting = bench.connect()
    conn = ask(bench, waiting, path)
    assert disk.begun.get(timeout=LIMIT_S).offset == 0
    assert conn.state is State.READING
    for _ in range(20):
        bench.send_all(other, get("large.bin", "HEAD"))
        assert bench.read(other, until=b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    with pytest.raises(BlockingIOError):
        waiting.recv(1)
    disk.release()
    body = LARGE if path == "large.bin" else HELLO
    reply = bench.read(waiting, until=body)
    assert reply.endswith(b"\r\n\r\n" + body)
    bench.until(lambda: state_of(conn) is State.IDLE)


def test_what_was_read_is_sent_without_another_thread(bench: Bench, disk: SlowDisk) -> None:
    disk.release()
    for path, body, reads in (("large.bin", LARGE, 4), ("hello.txt", HELLO, 1)):
        client = bench.connect()
        for _ in range(3):
            bench.send_all(client, get(path))
            assert bench.read(client, until=body).endswith(body)
        assert disk.begun.qsize() == reads
        while not disk.begun.empty():
            disk.begun.get()


def test_a_small_file_is_kept_in_memory_once_it_was_read(bench: Bench, disk: SlowDisk) -> None:
    disk.release()
    client = bench.connect()
    for _ in range(2):
        bench.send_all(client, get("hello.txt"))
        bench.read(client, until=HELLO)
    known = bench.only().front.memo.find(get("hello.txt"), bench.worker.now_s)
    assert known is not None
    assert known[0].file is None


def test_while_a_file_is_read_nothing_spins_and_no_timeout_runs(bench: Bench, disk: SlowDisk) -> None:
    client = bench.connect()
    conn = ask(bench, client, "large.bin")
    disk.begun.get(timeout=LIMIT_S)
    bench.settle()
    assert conn.interest == select.EPOLLIN
    assert len(bench.worker.deadlines) == 0
    bench.pass_time(100_000)
    assert conn.state is State.READING
    bench.worker.now_s -= 100_000
    disk.release()
    bench.read(client, until=LARGE)
    assert len(bench.worker.deadlines) == 1


def test_requests_that_come_meanwhile_are_answered_in_their_order(bench: Bench, disk: SlowDisk) -> None:
    client = bench.connect()
    conn = ask(bench, client, "large.bin")
    disk.begun.get(timeout=LIMIT_S)
    bench.send_all(client, get("hello.txt"))
    bench.until(lambda: bool(conn.buffer))
    assert conn.state is State.READING
    client.shutdown(socket.SHUT_WR)
    bench.until(lambda: conn.input_ended)
    bench.settle()
    disk.release()
    reply = bench.read(client)
    assert LARGE in reply
    assert reply.endswith(HELLO)


def test_clients_of_one_file_wait_for_one_read(bench: Bench, disk: SlowDisk) -> None:
    clients = [bench.connect() for _ in range(5)]
    for client in clients:
        bench.send_all(client, get("hello.txt"))
    bench.until(lambda: all(conn.state is State.READING for conn in bench.connections()))
    disk.release()
    for client in clients:
        bench.read(client, until=HELLO)
    assert disk.begun.qsize() == 1


def test_a_client_that_leaves_while_its_file_is_read_takes_nothing_with_it(bench: Bench, disk: SlowDisk) -> None:
    client = bench.connect()
    conn = ask(bench, client, "large.bin")
    window = disk.begun.get(timeout=LIMIT_S)
    bench.worker.files.clear()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    bench.until(lambda: conn.state is State.CLOSED)
    # The thread has a use of the file still.
    assert not window.file.closed
    disk.release()
    bench.until(lambda: window.file.closed)


def test_a_worker_that_gives_up_does_not_wait_for_the_disk(bench: Bench, disk: SlowDisk) -> None:
    client = bench.connect()
    conn = ask(bench, client, "large.bin")
    disk.begun.get(timeout=LIMIT_S)
    bench.worker._give_up()
    assert state_of(conn) is State.CLOSED
    with pytest.raises(Reset):
        bench.read(client)


def test_a_file_that_shrank_ends_the_connection(
    bench: Bench, disk: SlowDisk, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = bench.connect()
    ask(bench, client, "large.bin")
    disk.begun.get(timeout=LIMIT_S)
    os.truncate(folder / "large.bin", 5000)
    disk.release()
    with pytest.raises(Reset):
        bench.read(client)
    assert "a file ends at 5000" in caplog.text


def test_too_many_reads_end_the_connection(
    folder: Path, disk: SlowDisk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Bench(folder, Config(limits=Limits(connections=3))) as bench:
        monkeypatch.setattr(bench.worker.reader._errands, "submit", lambda _window, _conn: False)
        client = bench.connect()
        bench.send_all(client, get("large.bin"))
        with pytest.raises(Reset):
            bench.read(client)
    assert "too many files wait to be read" in caplog.text


def test_a_tls_client_gets_its_cold_file_whole(folder: Path, disk: SlowDisk) -> None:
    with Bench(folder, with_tls=True) as bench:
        client, tls = bench.connect(), MemoryClient()
        bench.shake_hands(client, tls)
        bench.send_all(client, tls.send(get("large.bin")))
        bench.settle()
        assert bench.only().state is State.READING
        disk.release()
        assert bench.read_tls(client, tls, until=LARGE).endswith(LARGE)
        bench.until(lambda: not bench.worker.reader._errands._jobs)


# What a thread does.


def test_a_window_is_read_into_the_page_cache(tmp_path: Path) -> None:
    path = tmp_path / "cold"
    path.write_bytes(LARGE)
    with Root(tmp_path) as root:
        file = root.open(b"cold")
    os.fsync(file.fd)
    os.posix_fadvise(file.fd, 0, 0, os.POSIX_FADV_DONTNEED)
    made = residency.Residency()
    assert read_window(Window(file, 0, WINDOW_BYTES))
    made.note_read(file, 0, WINDOW_BYTES)
    assert made.at_hand(file, 0, WINDOW_BYTES)
    # Beyond the end, there is nothing to wait for.
    assert read_window(Window(file, len(LARGE) - 10, 100))
    file.release()


def test_a_read_that_fails_is_left_to_the_sender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "bad").write_bytes(HELLO)
    with Root(tmp_path) as root:
        file = root.open(b"bad")
    monkeypatch.setattr(os, "preadv", fail)
    with caplog.at_level(logging.DEBUG):
        assert read_window(Window(file, 0, 5))
    assert "Input/output error" in caplog.text
    file.release()
