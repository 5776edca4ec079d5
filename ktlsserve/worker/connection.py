"""One connection: what is known of it, and where it is in its life."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum, auto

from ktlsserve.clients.client import Client
from ktlsserve.errors import IllegalTransition
from ktlsserve.http1.body import BodyDiscarder
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import Request
from ktlsserve.observe.counters import NO_SITE
from ktlsserve.proxy_protocol.reader import HeaderReader
from ktlsserve.tls.handshake import Established, Handshake
from ktlsserve.worker.memo import Memo
from ktlsserve.worker.outbox import Outbox
from ktlsserve.worker.receivers import Receiver
from ktlsserve.worker.senders import Sender
from ktlsserve.worker.states import TRANSITIONS, State


class Timeout(IntEnum):
    """The deadlines that a connection can have; one at a time. An IntEnum for its hash, as State is."""

    HANDSHAKE = auto()
    HEAD = auto()
    IDLE = auto()
    SEND = auto()
    CLOSE = auto()
    ETAG = auto()


@dataclass(frozen=True, slots=True)
class Front:
    """What answers the requests of a connection: it works out a reply, or has kept one that it worked out.

    ``site`` is the label under which replies are counted that name none.
    """

    answer: Callable[[Request, int], Reply]
    memo: Memo
    site: str = NO_SITE


class Connection:
    """State and belongings of one client's connection; the phases act on it.

    ``receiver`` and ``sender`` exist once the connection is ready for application data, and not before: that nothing
    is sent in clear rests on it. ``interest`` is the epoll mask that is registered. ``peer`` is the client's address as
    people write it, and ``balancer`` that of the load balancer which named it in a PROXY header, if one did.
    """

    __slots__ = (
        "accepted_s",
        "admitted",
        "balancer",
        "buffer",
        "client",
        "discarder",
        "established",
        "fd",
        "flush_checks",
        "forwards",
        "front",
        "handshake",
        "handshake_output",
        "handshake_s",
        "has_waited",
        "head",
        "input_ended",
        "interest",
        "kernel_sends",
        "logged_client",
        "logged_proxy",
        "outbox",
        "peer",
        "proxy_header",
        "receiver",
        "reply",
        "request_s",
        "requests",
        "searched",
        "sender",
        "sock",
        "state",
        "unsent_bytes",
    )

    def __init__(self, sock: socket.socket, peer: str, state: State, now_s: float, front: Front) -> None:
        self.sock = sock
        self.front = front
        self.fd = sock.fileno()
        self.peer = peer
        self.state = state
        self.accepted_s = now_s
        self.interest = select.EPOLLIN
        # What comes before the client's first byte.
        self.balancer = ""
        self.proxy_header: HeaderReader | None = None
        # Handshake.
        self.handshake: Handshake | None = None
        self.handshake_output = b""
        self.handshake_s = 0.0
        self.established: Established | None = None
        self.kernel_sends = False
        # Both halves, from the hand-over on.
        self.receiver: Receiver | None = None
        self.sender: Sender | None = None
        # Requests: bytes not yet parsed, how far they were searched for the end of a head, a body being read over.
        self.buffer = b""
        self.searched = 0
        self.discarder: BodyDiscarder | None = None
        self.input_ended = False
        # Whether the request that is first in the buffer has waited for an entity-tag; it does so once.
        self.has_waited = False
        # The reply under way.
        self.outbox: Outbox | None = None
        self.reply: Reply | None = None
        # For the access log only: the head that is answered, and what lines say of this connection.
        self.head = b""
        self.request_s = 0.0
        self.logged_client: bytes | None = None
        self.logged_proxy: bytes | None = None
        # For limits only: who is counted for it or that each request says whom it is from, the requests so far, and
        # whether the one at hand was let through.
        self.client: Client | None = None
        self.forwards = False
        self.requests = 0
        self.admitted = False
        # Closing: what was unsent at the last look, and how many looks there were.
        self.unsent_bytes = -1
        self.flush_checks = 0

    def move(self, state: State) -> None:
        """Go to ``state``; raise IllegalTransition where the table has no such move."""
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"{self.state.name} does not lead to {state.name}")
        self.state = state

    def release_reply(self) -> None:
        """Give up what hasn't been sent of a reply."""
        if self.outbox is not None:
            self.outbox.discard()
            self.outbox = None
        self.reply = None
        self.head = b""
