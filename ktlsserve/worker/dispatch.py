"""Which phase an event or a timeout belongs to."""

from __future__ import annotations

import logging
import select
from typing import TYPE_CHECKING

from ktlsserve.observe.counters import TIMEOUTS
from ktlsserve.tls.failures import TIMEOUT
from ktlsserve.worker import closing, proxying, requests, sending
from ktlsserve.worker.connection import Connection, Timeout
from ktlsserve.worker.counting import count_failure
from ktlsserve.worker.states import State

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker

logger = logging.getLogger(__name__)

# A broken connection is found out by sending.
_BROKEN = select.EPOLLERR | select.EPOLLHUP
_WRITABLE = select.EPOLLOUT | _BROKEN


def on_event(worker: Worker, conn: Connection, events: int) -> None:
    """Hand an event to the phase that the connection is in."""
    state = conn.state
    if state in (State.IDLE, State.HEAD, State.BODY):
        requests.receive(worker, conn)
    elif state in (State.SENDING, State.READING):
        _during_reply(worker, conn, events)
    elif state is State.HANDSHAKE:
        worker.handshake_waits(conn)
    elif state in (State.FLUSHING, State.NOTIFIED):
        if events & _BROKEN:
            closing.abort(worker, conn)
        else:
            closing.check_flushed(worker, conn)
    elif state is State.PROXY_HEADER:
        proxying.continue_proxy_header(worker, conn)
    elif state is State.LINGERING:
        closing.discard_input(worker, conn)


def _during_reply(worker: Worker, conn: Connection, events: int) -> None:
    if events & select.EPOLLIN:
        requests.receive(worker, conn)
    if conn.state is State.SENDING and events & _WRITABLE:
        requests.continue_sending(worker, conn)
    elif conn.state is State.READING and events & _BROKEN:
        closing.abort(worker, conn)


def on_timeout(worker: Worker, conn: Connection, kind: Timeout) -> None:
    """End a connection whose time is up."""
    logger.debug("%s: %s timeout in state %s", conn.peer, kind.name.lower(), conn.state.name)
    if kind is Timeout.HEAD:
        worker.counts[TIMEOUTS[("head",)]] += 1
        requests.time_out_head(worker, conn)
    elif kind is Timeout.ETAG:
        requests.answer_buffered(worker, conn)
    elif kind is Timeout.IDLE:
        worker.counts[TIMEOUTS[("idle",)]] += 1
        closing.begin_close(worker, conn)
    elif kind is Timeout.SEND:
        sending.time_out_send(worker, conn)
    elif kind is Timeout.CLOSE:
        closing.time_out_close(worker, conn)
    else:
        worker.counts[TIMEOUTS[("handshake",)]] += 1
        count_failure(worker, TIMEOUT)
        closing.abort(worker, conn)
