"""Listening sockets: bound once by the supervisor, shared by all workers of all generations."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from ktlsserve.address import Address
from ktlsserve.errors import ListenError
from ktlsserve.worker.accepting import format_peer

logger = logging.getLogger(__name__)

_CURES = {
    errno.EADDRINUSE: "another program listens there; stop it or choose another port",
    errno.EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE; choose one above or grant it",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address",
}


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket, the address that it was asked for, and the one that it has."""

    sock: socket.socket
    asked: Address
    bound: str


def bind_all(addresses: Sequence[Address], kept: Sequence[Listener], backlog: int) -> tuple[Listener, ...]:
    """Return listeners for ``addresses``, those of ``kept`` where they are among them; raise ListenError."""
    listeners: list[Listener] = []
    try:
        for address in addresses:
            same = [listener for listener in kept if listener.asked == address]
            try:
                listeners += same or bind(address, backlog)
            except ListenError as error:
                if not _can_do_without(address, addresses, error):
                    raise
                logger.warning("%s; the server does without", error)
    except BaseException:
        for listener in listeners:
            if listener not in kept:
                listener.sock.close()
        raise
    return tuple(listeners)


def bind(address: Address, backlog: int) -> tuple[Listener, ...]:
    """Bind every IP address that ``address`` stands for (a name may stand for two); raise ListenError."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(f"can't listen on {address}: {error.strerror}; check the host name") from error
    listeners: list[Listener] = []
    try:
        for family, _kind, _protocol, _name, target in dict.fromkeys(found):
            listeners.append(_bind_one(address, family, target, backlog))
    except BaseException:
        for listener in listeners:
            listener.sock.close()
        raise
    return tuple(listeners)


def prepare_listener(sock: socket.socket) -> None:
    """Set what every listener needs, whoever has bound it."""
    # Inherited by what is accepted: MSG_MORE says where packets may wait, and nothing else should.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)


def _can_do_without(address: Address, addresses: Sequence[Address], error: ListenError) -> bool:
    """Tell whether an address stands for all of IPv6, on a kernel without any, and others are listened on.

    A configuration for many hosts, such as a container image's, lists 0.0.0.0 and [::], and can't know.
    """
    no_family = isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EAFNOSUPPORT
    return no_family and address.host == "::" and any(other.host != "::" for other in addresses)


def _bind_one(address: Address, family: int, target: tuple[object, ...], backlog: int) -> Listener:
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ListenError(
            f"can't listen on {address}: {os.strerror(error.errno or 0)}; this kernel lacks it"
        ) from error
    try:
        # A restarted server must not wait for its predecessor's connections in TIME_WAIT.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # So that 0.0.0.0 and [::] can be listened on side by side, whatever net.ipv6.bindv6only says.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(target)
        sock.listen(backlog)
        prepare_listener(sock)
    except OSError as error:
        sock.close()
        code = error.errno or 0
        cure = _CURES.get(code, "choose another address")
        raise ListenError(f"can't listen on {address}: {os.strerror(code)}; {cure}") from error
    return Listener(sock, address, format_peer(sock.getsockname()))
