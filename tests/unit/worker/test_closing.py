from __future__ import annotations

import errno
import os
import socket
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ktlsserve.config import Config
from ktlsserve.files.open_file import OpenFile
from ktlsserve.http1.reply import FileSlice, Reply
from ktlsserve.observe.counters import OPEN_OFF, SENT_FILE_OFF, SENT_MEMORY_OFF
from ktlsserve.worker import closing
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.outbox import Outbox
from ktlsserve.worker.senders import SocketSender
from ktlsserve.worker.states import State
from tests.support.tls_client import MemoryClient
from tests.support.worker_bench import Bench, Reset

CLOSE_S = Config().timeouts.close_s


@dataclass
class ScriptedSender:
    """A fake sender that holds what ``unsent`` says at each look, and writes down what it was asked."""

    unsent: deque[int | OSError] = field(default_factory=deque)
    notify: deque[OSError] = field(default_factory=deque)
    holds_ciphertext: bool = False
    held_bytes: int = 0
    worn_out: bool = False
    memory_cell: int = SENT_MEMORY_OFF
    file_cell: int = SENT_FILE_OFF
    open_cell: int = OPEN_OFF
    asked: list[str] = field(default_factory=list)

    def send(self, data: bytes | memoryview, *, following_bytes: int) -> int:
        raise AssertionError("nothing is sent behind close_notify")

    def send_file(self, fd: int, offset: int, count: int) -> int:
        raise AssertionError("nothing is sent behind close_notify")

    def send_close_notify(self) -> None:
        self.asked.append("close_notify")
        if self.notify:
            raise self.notify.popleft()

    def flush(self) -> int:
        self.asked.append("flush")
        found = self.unsent.popleft() if self.unsent else 0
        if isinstance(found, OSError):
            raise found
        return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path) as made:
        yield made


def begin(bench: Bench, sender: ScriptedSender, *, kernel_sends: bool = True) -> tuple[socket.socket, Connection]:
    """Connect, and begin an orderly close as if this sender had sent."""
    client = bench.connect()
    conn = bench.only()
    conn.sender, conn.kernel_sends = sender, kernel_sends
    closing.begin_close(bench.worker, conn)
    return client, conn


def state_of(conn: Connection) -> State:
    return conn.state


def peer_sees_end(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


# The order of an orderly close.


def test_close_notify_waits_for_the_data_and_the_shutdown_for_it(bench: Bench) -> None:
    """One look at 0 may fall between two parts of a record: close_notify pushes the rest, and two more looks follow."""
    sender = ScriptedSender(deque([500, 20, 0, 7, 0, 9, 0, 0]))
    client, conn = begin(bench, sender)
    while conn.state in (State.FLUSHING, State.NOTIFIED):
        assert not peer_sees_end(client)
        closing.check_flushed(bench.worker, conn)
    assert sender.asked == ["flush"] * 3 + ["close_notify"] + ["flush"] * 5
    assert state_of(conn) is State.LINGERING
    bench.until(lambda: peer_sees_end(client))
    client.close()
    bench.until(lambda: conn.state is State.CLOSED)


def test_the_loop_looks_again_by_itself(bench: Bench) -> None:
    sender = ScriptedSender(deque([3] * 30))
    client, conn = begin(bench, sender)
    bench.until(lambda: conn.state is State.LINGERING)
    # Thirty looks that find something, one that doesn't, close_notify, and two more.
    assert len(sender.asked) == 34
    assert bench.ended(client)


@pytest.mark.parametrize("holds_ciphertext", [True, False])
def test_outside_of_the_kernel_once_is_enough(bench: Bench, holds_ciphertext: bool) -> None:
    sender = ScriptedSender(deque([9, 0]), holds_ciphertext=holds_ciphertext)
    client, conn = begin(bench, sender, kernel_sends=False)
    bench.until(lambda: conn.state is not State.FLUSHING)
    assert sender.asked == ["flush", "flush", "close_notify", "flush"]
    assert bench.ended(client)


def test_a_look_that_is_due_when_all_has_left_already_does_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """The socket may tell of room in the same turn in which the timer of the next look runs out."""
    sender = ScriptedSender(deque([9, 0]), holds_ciphertext=True)
    client, conn = begin(bench, sender, kernel_sends=False)
    closing.check_flushed(bench.worker, conn)
    assert state_of(conn) is State.LINGERING
    bench.pass_time(1)
    assert state_of(conn) is State.LINGERING
    assert caplog.records == []
    assert bench.ended(client)


def test_a_close_notify_that_finds_no_room_is_tried_again(bench: Bench) -> None:
    blocked = [BlockingIOError(), BlockingIOError()]
    sender = ScriptedSender(notify=deque(blocked))
    client, conn = begin(bench, sender)
    bench.until(lambda: conn.state is State.LINGERING)
    assert sender.asked == ["flush", "close_notify"] * 3 + ["flush", "flush"]
    assert bench.ended(client)


@pytest.mark.parametrize("where", ["notify", "flush"])
def test_a_connection_that_breaks_meanwhile_is_aborted(where: str, bench: Bench) -> None:
    broken = OSError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    sender = ScriptedSender(deque([4, broken])) if where == "flush" else ScriptedSender(notify=deque([broken]))
    client, conn = begin(bench, sender)
    bench.until(lambda: conn.state is State.CLOSED)
    with pytest.raises(Reset):
        bench.ended(client)


def test_a_peer_that_takes_bytes_has_its_time_anew(bench: Bench) -> None:
    sender = ScriptedSender(deque([100, 60, 60]))
    _client, conn = begin(bench, sender)
    bench.worker.now_s += CLOSE_S - 1
    closing.check_flushed(bench.worker, conn)
    bench.worker.now_s += CLOSE_S - 1
    closing.check_flushed(bench.worker, conn)
    assert state_of(conn) is State.FLUSHING
    # It has taken nothing since the second look.
    sender.unsent.extend([60] * 10)
    bench.pass_time(1)
    assert state_of(conn) is State.CLOSED


def test_a_peer_that_takes_nothing_is_aborted(bench: Bench) -> None:
    client, conn = begin(bench, ScriptedSender(deque([100] * 1000)))
    bench.settle()
    bench.pass_time(CLOSE_S)
    assert state_of(conn) is State.CLOSED
    with pytest.raises(Reset):
        bench.ended(client)


def test_a_peer_that_resets_while_we_flush_is_left(bench: Bench) -> None:
    client, conn = begin(bench, ScriptedSender(deque([100] * 1000)))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    bench.until(lambda: conn.state is State.CLOSED)


def test_what_the_peer_still_says_is_read(bench: Bench) -> None:
    """Unread input makes close send RST, which may overtake our last bytes."""
    client, conn = begin(bench, ScriptedSender())
    bench.until(lambda: conn.state is State.LINGERING)
    bench.send_all(client, bytes(3_000_000))
    bench.settle()
    assert state_of(conn) is State.LINGERING
    assert bench.ended(client)
    client.close()
    bench.until(lambda: conn.state is State.CLOSED)


def test_a_peer_that_never_closes_is_left_in_the_end(bench: Bench) -> None:
    _client, conn = begin(bench, ScriptedSender())
    bench.until(lambda: conn.state is State.LINGERING)
    bench.pass_time(CLOSE_S - 1)
    assert state_of(conn) is State.LINGERING
    bench.pass_time(1)
    assert state_of(conn) is State.CLOSED


def test_a_peer_that_is_gone_already_is_not_waited_for(bench: Bench) -> None:
    client = bench.connect()
    conn = bench.only()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    conn.move(State.FLUSHING)
    conn.move(State.NOTIFIED)
    closing.linger(bench.worker, conn)
    assert state_of(conn) is State.CLOSED


def test_a_peer_that_resets_while_we_linger_is_left(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client, conn = begin(bench, ScriptedSender())
    bench.until(lambda: conn.state is State.LINGERING)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    bench.until(lambda: conn.state is State.CLOSED)
    assert caplog.records == []


def test_only_who_can_send_closes_in_order(bench: Bench) -> None:
    bench.connect()
    conn = bench.only()
    conn.sender = None
    with pytest.raises(RuntimeError, match="can send is closed in order"):
        closing.begin_close(bench.worker, conn)


# Giving back.


@pytest.mark.parametrize("end", [closing.abort, closing.close, closing.begin_close])
def test_files_are_given_back_whatever_the_end(bench: Bench, end: object) -> None:
    with tempfile.TemporaryFile() as stream:
        stream.write(bytes(1000))
        stream.flush()
        file = OpenFile(os.dup(stream.fileno()), os.fstat(stream.fileno()))
        bench.connect()
        conn = bench.only()
        conn.reply = Reply(200, b"HTTP/1.1 200 OK\r\n\r\n", (FileSlice(file, 0, 1000),), close=False, body_bytes=1000)
        conn.outbox = Outbox(conn.reply)
        assert callable(end)
        end(bench.worker, conn)
        assert file.closed
        assert [getattr(conn, name) for name in ("outbox", "reply")] == [None, None]


def test_a_closed_connection_is_forgotten_everywhere(bench: Bench) -> None:
    bench.connect()
    conn = bench.only()
    assert len(bench.worker.deadlines) == 1
    closing.close(bench.worker, conn)
    assert (bench.connections(), len(bench.worker.deadlines), len(bench.worker._checks)) == ([], 0, 0)
    assert (conn.sock.fileno(), conn.sender, conn.receiver, conn.handshake) == (-1, None, None, None)


def test_abort_is_a_reset_and_no_end(bench: Bench) -> None:
    client = bench.connect()
    conn = bench.only()
    assert isinstance(conn.sender, SocketSender)
    conn.sender.send(b"half a reply", following_bytes=0)
    closing.abort(bench.worker, conn)
    with pytest.raises(Reset):
        bench.read(client)


def test_abort_says_no_close_notify(tmp_path: Path) -> None:
    with Bench(tmp_path, with_tls=True) as bench:
        client, tls = bench.connect(), MemoryClient()
        bench.shake_hands(client, tls)
        closing.abort(bench.worker, bench.only())
        with pytest.raises(Reset) as caught:
            bench.read(client)
        # Session tickets at most.
        assert tls.recv(caught.value.args[0]) == b""


def test_a_socket_that_takes_no_options_is_closed_all_the_same(bench: Bench) -> None:
    bench.connect()
    conn = bench.only()
    real, conn.sock = conn.sock, socket.socket()
    conn.sock.close()
    closing.abort(bench.worker, conn)
    assert state_of(conn) is State.CLOSED
    real.close()
