"""The life of a connection: one Enum, one table of legal moves.

::

    PROXY_HEADER ─────┐                what the load balancer says of its client, where it must
        ▼             ▼
    HANDSHAKE ──► HEAD ◄─────► IDLE
        │          │            │
        │          ├──► SENDING ◄──┐ ◄──► READING   until a thread has read what is to be sent next
        │          │      │  │     │
        │          │      │  └──► BODY    reading over a request's body once its reply is sent
        │          ▼      ▼
        │         FLUSHING               all that was handed over must leave
        │            ▼
        │         NOTIFIED               so must close_notify behind it
        ▼            ▼
        └────► LINGERING                 what the peer still says is read, so that no RST overtakes our bytes
                     ▼
                  CLOSED                 also from every other state, by abort

HEAD waits for the rest of a request head (or for the first one), IDLE for the next request on a connection that has had
one. They differ in their timeouts and in what a timeout says to the client: 408 for half a head, nothing for silence.
"""

from __future__ import annotations

from enum import IntEnum, auto


class State(IntEnum):
    """Where a connection is in its life.

    An IntEnum, because it is hashed for every request, and an Enum's hash is a call into Python.
    """

    PROXY_HEADER = auto()
    HANDSHAKE = auto()
    HEAD = auto()
    IDLE = auto()
    SENDING = auto()
    READING = auto()
    BODY = auto()
    FLUSHING = auto()
    NOTIFIED = auto()
    LINGERING = auto()
    CLOSED = auto()


TRANSITIONS: dict[State, frozenset[State]] = {
    State.PROXY_HEADER: frozenset({State.HANDSHAKE, State.HEAD, State.CLOSED}),
    State.HANDSHAKE: frozenset({State.HEAD, State.LINGERING, State.CLOSED}),
    State.HEAD: frozenset({State.SENDING, State.IDLE, State.BODY, State.FLUSHING, State.CLOSED}),
    State.IDLE: frozenset({State.HEAD, State.SENDING, State.BODY, State.FLUSHING, State.CLOSED}),
    State.SENDING: frozenset({State.READING, State.IDLE, State.HEAD, State.BODY, State.FLUSHING, State.CLOSED}),
    State.READING: frozenset({State.SENDING, State.FLUSHING, State.CLOSED}),
    State.BODY: frozenset({State.IDLE, State.HEAD, State.SENDING, State.FLUSHING, State.CLOSED}),
    State.FLUSHING: frozenset({State.NOTIFIED, State.CLOSED}),
    State.NOTIFIED: frozenset({State.LINGERING, State.CLOSED}),
    State.LINGERING: frozenset({State.CLOSED}),
    State.CLOSED: frozenset(),
}
