from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ktlsserve.address import Address
from ktlsserve.errors import ListenError
from ktlsserve.supervisor.listeners import Listener, bind, bind_all

BACKLOG = 16
LOOPBACK = Address("127.0.0.1", 0)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="probed bind([::1]): this machine has no IPv6 loopback")


@contextmanager
def bound(*addresses: Address, kept: tuple[Listener, ...] = ()) -> Iterator[tuple[Listener, ...]]:
    listeners = bind_all(addresses, kept, BACKLOG)
    try:
        yield listeners
    finally:
        for listener in listeners:
            listener.sock.close()


def sockets_open() -> int:
    links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(link.name.startswith("socket:") for link in links)


def test_a_listener_takes_connections_and_tells_its_address() -> None:
    with bound(LOOPBACK) as (listener,):
        host, port = listener.sock.getsockname()
        assert (listener.asked, listener.bound) == (LOOPBACK, f"127.0.0.1:{port}")
        assert port
        with socket.create_connection((host, port)):
            accepted, _ = listener.sock.accept()
            # Inherited: nothing but MSG_MORE makes a packet wait.
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            accepted.close()
        # And never waits for the next.
        with pytest.raises(BlockingIOError):
            listener.sock.accept()


@needs_ipv6
def test_an_ipv6_address_is_written_in_brackets() -> None:
    with bound(Address("::1", 0)) as (listener,):
        assert listener.bound == f"[::1]:{listener.sock.getsockname()[1]}"


@needs_ipv6
def test_both_families_listen_on_one_port_side_by_side() -> None:
    with bound(Address("0.0.0.0", 0)) as (first,):
        port = first.sock.getsockname()[1]
        with bound(Address("::", port)) as (second,):
            assert second.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def test_a_name_is_all_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "127.0.0.2")]
    # A resolver may name an address twice.
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: [*found, found[0]])
    with bound(Address("both.example", 0)) as listeners:
        assert [listener.bound.rpartition(":")[0] for listener in listeners] == ["127.0.0.1", "127.0.0.2"]


def test_a_restarted_server_finds_its_port_free() -> None:
    with bound(LOOPBACK) as (listener,):
        name = listener.sock.getsockname()
        client = socket.create_connection(name)
        accepted, _ = listener.sock.accept()
        # Closed here first: this end keeps the port in TIME_WAIT.
        accepted.close()
        assert client.recv(1) == b""
        client.close()
    with bound(Address(*name)):
        pass


def test_a_port_that_is_taken() -> None:
    with bound(LOOPBACK) as (listener,):
        taken = Address("127.0.0.1", listener.sock.getsockname()[1])
        with pytest.raises(ListenError, match=f"can't listen on {taken}: Address already in use; another program"):
            bind(taken, BACKLOG)


def test_an_address_of_another_machine() -> None:
    # RFC 5737: 192.0.2.0/24 is for documentation.
    with pytest.raises(ListenError, match=r"can't listen on 192.0.2.1:0: .*; no interface of this machine"):
        bind(Address("192.0.2.1", 0), BACKLOG)


def test_other_errors_have_a_cure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.EADDRINUSE + 1000, "unheard of")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ListenError, match="choose another address"):
        bind(LOOPBACK, BACKLOG)


def test_a_name_that_can_not_be_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ListenError, match=r"can't listen on nowhere.invalid:80: Name or service not known; check the"):
        bind(Address("nowhere.invalid", 80), BACKLOG)


def test_listeners_are_kept_where_the_address_stays() -> None:
    other = Address("127.0.0.2", 0)
    with bound(LOOPBACK) as kept, bound(other, LOOPBACK, kept=kept) as listeners:
        assert listeners[1] is kept[0]
        assert listeners[0].asked == other
        assert len(listeners) == 2


def test_what_failed_leaves_nothing_open_and_what_is_kept_alone() -> None:
    with bound(LOOPBACK) as kept:
        taken = Address("127.0.0.1", kept[0].sock.getsockname()[1])
        before = sockets_open()
        with pytest.raises(ListenError):
            bind_all([LOOPBACK, Address("127.0.0.2", 0), taken], kept, BACKLOG)
        assert sockets_open() == before
        assert kept[0].sock.fileno() >= 0


def test_a_name_of_which_one_address_fails_leaves_nothing_open(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "192.0.2.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: found)
    before = sockets_open()
    with pytest.raises(ListenError):
        bind(Address("both.example", 0), BACKLOG)
    assert sockets_open() == before


@pytest.fixture
def without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have sockets made as a kernel does that was started with ipv6.disable=1."""
    made = socket.socket

    def make(family: int = -1, *arguments: int, **options: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return made(family, *arguments, **options)

    monkeypatch.setattr(socket, "socket", make)


def test_all_of_ipv6_can_be_done_without(without_ipv6: None, caplog: pytest.LogCaptureFixture) -> None:
    with bound(LOOPBACK, Address("::", 0)) as (listener,):
        assert listener.asked == LOOPBACK
    (message,) = caplog.messages
    assert message.startswith("can't listen on [::]:0: Address family not supported by protocol; this kernel lacks it;")


@pytest.mark.parametrize("addresses", [[Address("::", 0)], [LOOPBACK, Address("::1", 0)]])
def test_what_somebody_counts_on_is_an_error(without_ipv6: None, addresses: list[Address]) -> None:
    before = sockets_open()
    with pytest.raises(ListenError, match=r"Address family not supported by protocol; this kernel lacks it$"):
        bind_all(addresses, (), BACKLOG)
    assert sockets_open() == before
