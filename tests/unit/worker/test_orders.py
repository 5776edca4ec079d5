from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ktlsserve.observe.access_log import AccessLog
from ktlsserve.worker.orders import ALIVE, PING, REOPEN, RETIRE, STOP, Orders
from tests.support import processes


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(5)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_what_was_said_comes_in_order(pair: tuple[socket.socket, socket.socket]) -> None:
    supervisor, worker = pair
    orders = Orders(worker, None)
    assert orders.fileno() == worker.fileno()
    supervisor.sendall(STOP + RETIRE)
    assert orders.take() == STOP + RETIRE


def test_a_ping_is_answered_whatever_comes_with_it(pair: tuple[socket.socket, socket.socket]) -> None:
    supervisor, worker = pair
    supervisor.sendall(PING + STOP)
    assert Orders(worker, None).take() == STOP
    assert supervisor.recv(16) == ALIVE


@pytest.mark.parametrize("unread", [b"", b"x"])
def test_the_end_of_the_supervisor(pair: tuple[socket.socket, socket.socket], unread: bytes) -> None:
    supervisor, worker = pair
    worker.sendall(unread)
    # With a word unread it is a reset, not an end.
    supervisor.close()
    assert Orders(worker, None).take() is None


def test_a_ping_of_a_supervisor_that_is_gone(pair: tuple[socket.socket, socket.socket]) -> None:
    supervisor, worker = pair
    supervisor.sendall(PING)
    supervisor.close()
    orders = Orders(worker, None)
    assert orders.take() == b""
    assert orders.take() is None


def test_a_new_file_for_the_access_log(pair: tuple[socket.socket, socket.socket], tmp_path: Path) -> None:
    supervisor, worker = pair
    log = AccessLog(str(tmp_path / "old"))
    fd = os.open(tmp_path / "new", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    socket.send_fds(supervisor, [REOPEN], [fd])
    os.close(fd)
    assert Orders(worker, log).take() == b""
    assert not os.get_inheritable(log._fd)
    assert processes.descriptors(os.getpid())[log._fd] == str(tmp_path / "new")
    log.close()


def test_a_descriptor_that_nobody_wants_is_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    supervisor, worker = pair
    before = processes.descriptors(os.getpid())
    with Path(os.devnull).open("wb") as file:
        socket.send_fds(supervisor, [REOPEN], [file.fileno()])
    assert Orders(worker, None).take() == b""
    assert processes.descriptors(os.getpid()) == before
