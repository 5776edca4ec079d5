"""Accepting from the shared listeners, and knowing when not to.

Every worker registers the same listening sockets with EPOLLEXCLUSIVE: one of them is woken for a connection, and a
connection that a dying worker hadn't accepted stays in the queue for the others. A worker that is full takes the
listeners out of its epoll set; the kernel's queue, and the other workers, hold what comes meanwhile.
"""

from __future__ import annotations

import errno
import logging
import math
import select
import socket
from ipaddress import ip_address

from ktlsserve.networks import IpAddress
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.service import Service

logger = logging.getLogger(__name__)

# select.EPOLLEXCLUSIVE, which this platform always has: CPython defines it on Linux.
_LISTEN_EVENTS = select.EPOLLIN | select.EPOLLEXCLUSIVE
# Out of descriptors or memory: trying again at once would only spin.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PAUSE_S = 0.5


class Acceptor:
    """Registers the listeners with ``epoll`` while there is room for more connections."""

    def __init__(self, service: Service, epoll: select.epoll) -> None:
        self._listeners = {listener.fileno(): listener for listener in service.listeners}
        # Family, type and protocol, as plain numbers.
        self._kinds = {fd: (int(sock.family), int(sock.type), sock.proto) for fd, sock in self._listeners.items()}
        self._epoll = epoll
        self._most_connections = service.limits.connections
        self._most_handshakes = service.tls.handshakes_in_progress if service.tls else service.limits.connections
        self._connections = 0
        self._handshaking: set[Connection] = set()
        self._open = False
        self._retired = False
        # How often accepting stopped for want of descriptors or memory, and because this worker was full.
        self.pauses = 0
        self.times_full = 0
        self.paused_until_s = math.inf
        self._update()

    def owns(self, fd: int) -> bool:
        """Tell whether ``fd`` is that of a listener."""
        return fd in self._listeners

    def accept(self, fd: int, now_s: float) -> tuple[socket.socket, str] | None:
        """Return (non-blocking socket, peer's address) of a connection that waits on a listener, if one does.

        One for each event: so a burst spreads over the workers, those connected already are served meanwhile, and where
        connections come one at a time none is looked for in vain. Of others that wait epoll tells again.
        """
        if not self._open:
            # An event from before the worker became full.
            return None
        try:
            # What socket.accept calls; it then makes Enum members of family and kind, which takes longer than that.
            accepted, address = self._listeners[fd]._accept()  # type: ignore[attr-defined]  # noqa: SLF001
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno in _EXHAUSTED:
                logger.warning("accepting pauses for %s s: %s", _PAUSE_S, error.strerror)
                self.paused_until_s = now_s + _PAUSE_S
                self.pauses += 1
                self._update()
            else:
                # The connection was aborted before it was accepted, or its network failed (accept(2)).
                logger.debug("accept: %s", error)
            return None
        sock = socket.socket(*self._kinds[fd], fileno=accepted)
        sock.setblocking(False)
        return sock, format_peer(address)

    def connection_begun(self, conn: Connection, *, handshake: bool) -> None:
        """Count a connection that was accepted."""
        self._connections += 1
        if handshake:
            self._handshaking.add(conn)
        self._update()

    def handshake_ended(self, conn: Connection) -> None:
        """Count a handshake less."""
        self._handshaking.discard(conn)
        self._update()

    def connection_ended(self, conn: Connection) -> None:
        """Count a connection less."""
        self._connections -= 1
        self._handshaking.discard(conn)
        self._update()

    def resume(self) -> None:
        """Accept again after a pause."""
        self.paused_until_s = math.inf
        self._update()

    def retire(self) -> None:
        """Accept no more, for ever, and give this worker's share of the listeners back."""
        self._retired = True
        self.paused_until_s = math.inf
        self._update()
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()

    def _update(self) -> None:
        wanted = (
            not self._retired
            and self.paused_until_s == math.inf
            and self._connections < self._most_connections
            and len(self._handshaking) < self._most_handshakes
        )
        if wanted == self._open:
            return
        self._open = wanted
        if not wanted and not self._retired and self.paused_until_s == math.inf:
            self.times_full += 1
        for fd in self._listeners:
            # EPOLL_CTL_MOD is refused for EPOLLEXCLUSIVE (epoll_ctl(2)).
            if wanted:
                self._epoll.register(fd, _LISTEN_EVENTS)
            else:
                self._epoll.unregister(fd)


def format_peer(address: tuple[object, ...]) -> str:
    """Return a socket address as people write it: an IPv6 address in brackets."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def address_of(peer: str) -> IpAddress:
    """Return the IP address in what ``format_peer`` wrote."""
    return ip_address(host_of(peer))


def host_of(peer: str) -> str:
    """Return the address in what ``format_peer`` wrote, as it stands there."""
    return peer.rpartition(":")[0].strip("[]")
