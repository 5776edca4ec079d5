from __future__ import annotations

import errno
import logging
import math
import os
import select
import socket
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ktlsserve.config import Config, Limits
from ktlsserve.worker.accepting import Acceptor, address_of, format_peer
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.service import Service, TlsService
from tests.support.tls_server import common_context
from tests.support.worker_bench import USERSPACE, Bench


@dataclass
class FakeListener:
    """A fake listener: accepts what the script says, then has nothing more."""

    fd: int = 77
    family: socket.AddressFamily = socket.AF_INET
    type: socket.SocketKind = socket.SOCK_STREAM
    proto: int = 0
    script: deque[OSError] = field(default_factory=deque)
    waiting: int = 0
    accepted: int = 0
    calls: int = 0
    closed: bool = False

    def fileno(self) -> int:
        return self.fd

    def _accept(self) -> tuple[int, tuple[str, int]]:
        self.calls += 1
        if self.script:
            raise self.script.popleft()
        if not self.waiting:
            raise BlockingIOError
        self.waiting -= 1
        self.accepted += 1
        return socket.socket().detach(), ("192.0.2.1", self.accepted)

    def close(self) -> None:
        self.closed = True


@dataclass
class FakeEpoll:
    """A fake epoll: which descriptors are registered, and for what."""

    registered: dict[int, int] = field(default_factory=dict)

    def register(self, fd: int, events: int) -> None:
        assert fd not in self.registered
        self.registered[fd] = events

    def unregister(self, fd: int) -> None:
        del self.registered[fd]


@dataclass
class Setup:
    listener: FakeListener
    epoll: FakeEpoll
    acceptor: Acceptor

    def is_open(self) -> bool:
        return self.listener.fd in self.epoll.registered

    def accept(self, now_s: float = 100.0) -> list[str]:
        """Do as the loop does until epoll has no more to tell."""
        peers = []
        while self.is_open() and (self.listener.waiting or self.listener.script):
            accepted = self.acceptor.accept(self.listener.fd, now_s)
            if accepted is not None:
                sock, peer = accepted
                assert not sock.getblocking()
                sock.close()
                peers.append(peer)
        return peers


def setup(*, connections: int = 100, handshakes: int | None = None) -> Setup:
    listener, epoll = FakeListener(), FakeEpoll()
    tls = None if handshakes is None else SimpleNamespace(handshakes_in_progress=handshakes)
    service = SimpleNamespace(listeners=(listener,), limits=Limits(connections=connections), tls=tls)
    return Setup(listener, epoll, Acceptor(cast("Service", service), cast("select.epoll", epoll)))


def conn(number: int) -> Connection:
    return cast("Connection", f"connection {number}")


def error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def test_listeners_are_registered_for_one_worker_to_be_woken() -> None:
    made = setup()
    assert made.epoll.registered == {77: select.EPOLLIN | select.EPOLLEXCLUSIVE}
    assert made.acceptor.owns(77)
    assert not made.acceptor.owns(78)


def test_an_event_is_one_connection_and_one_call() -> None:
    made = setup()
    made.listener.waiting = 3
    accepted = made.acceptor.accept(77, 0.0)
    assert accepted is not None
    accepted[0].close()
    assert (accepted[1], made.listener.calls, made.listener.waiting) == ("192.0.2.1:1", 1, 2)


def test_another_worker_may_have_been_faster() -> None:
    assert setup().acceptor.accept(77, 0.0) is None


@pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPERM, errno.ENETDOWN, errno.EPROTO])
def test_a_connection_that_failed_meanwhile_is_passed_over(code: int) -> None:
    made = setup()
    made.listener.script.append(error(code))
    made.listener.waiting = 2
    assert len(made.accept()) == 2


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_what_is_exhausted_is_not_tried_again_at_once(code: int, caplog: pytest.LogCaptureFixture) -> None:
    made = setup()
    made.listener.script.append(error(code))
    made.listener.waiting = 2
    assert made.accept(now_s=100.0) == []
    assert not made.is_open()
    assert made.acceptor.paused_until_s == 100.5
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert made.accept() == []
    made.acceptor.resume()
    assert made.is_open()
    assert made.acceptor.paused_until_s == math.inf
    assert len(made.accept()) == 2


def test_a_full_worker_leaves_the_rest_to_the_others() -> None:
    made = setup(connections=2)
    made.acceptor.connection_begun(conn(1), handshake=False)
    assert made.is_open()
    made.acceptor.connection_begun(conn(2), handshake=False)
    assert not made.is_open()
    made.listener.waiting = 1
    # The event of another listener, told of in the same turn.
    assert made.acceptor.accept(77, 0.0) is None
    made.acceptor.connection_ended(conn(1))
    assert made.is_open()
    assert len(made.accept()) == 1


def test_handshakes_under_way_have_a_limit_of_their_own() -> None:
    made = setup(handshakes=2)
    for number in range(2):
        made.acceptor.connection_begun(conn(number), handshake=True)
    assert not made.is_open()
    made.acceptor.handshake_ended(conn(0))
    assert made.is_open()
    made.acceptor.connection_begun(conn(2), handshake=True)
    assert not made.is_open()
    # One that ends in its handshake makes room too, and once.
    made.acceptor.connection_ended(conn(1))
    assert made.is_open()
    made.acceptor.connection_begun(conn(3), handshake=True)
    assert not made.is_open()
    made.acceptor.handshake_ended(conn(1))
    assert not made.is_open()


def test_a_pause_and_a_full_worker_are_both_waited_for() -> None:
    made = setup(connections=1)
    made.listener.script.append(error(errno.EMFILE))
    made.accept()
    made.acceptor.connection_begun(conn(1), handshake=False)
    made.acceptor.resume()
    assert not made.is_open()
    made.acceptor.connection_ended(conn(1))
    assert made.is_open()


def test_a_retired_worker_never_accepts_again() -> None:
    made = setup(connections=1)
    made.acceptor.connection_begun(conn(1), handshake=False)
    made.acceptor.retire()
    assert (made.is_open(), made.listener.closed, made.acceptor.owns(77)) == (False, True, False)
    made.acceptor.connection_ended(conn(1))
    made.acceptor.resume()
    assert not made.is_open()


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("192.0.2.1", 443), "192.0.2.1:443"),
        (("2001:db8::1", 443, 0, 0), "[2001:db8::1]:443"),
        (("fe80::1%eth0", 443, 0, 2), "[fe80::1%eth0]:443"),
    ],
)
def test_peers_are_written_as_people_do(address: tuple[object, ...], text: str) -> None:
    assert format_peer(address) == text
    assert address_of(text) == ip_address(str(address[0]))


# With a real listener.


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Bench]:
    service = TlsService(common_context(), USERSPACE, max_handshake_bytes=65536, handshakes_in_progress=1)
    with Bench(tmp_path, Config(limits=Limits(connections=2)), tls=service) as made:
        yield made


def test_what_waits_is_accepted_when_there_is_room(full: Bench) -> None:
    first = full.connect()
    second = socket.create_connection(full.address)
    full.settle()
    assert len(full.connections()) == 1
    first.close()
    full.until(lambda: full.connections()[:1] != [] and full.only().peer == format_peer(second.getsockname()))
    second.close()
    full.until(lambda: not full.connections())


def test_connections_are_non_blocking_and_told_from_listeners(full: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client = full.connect()
    assert not full.only().sock.getblocking()
    assert full.only().peer == format_peer(client.getsockname())
