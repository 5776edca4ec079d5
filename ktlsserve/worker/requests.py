"""The request phase: bytes to heads, heads to replies, replies to the sender; then the next one.

The order of calls is that of ``ktlsserve.http1``: empty lines are dropped, the head's end is looked for from where the
last look ended, the head is answered, its body is read over. Replies go out one after another, so pipelined requests
wait in ``buffer``, which is bounded by not reading on.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import select
from typing import TYPE_CHECKING

from ktlsserve.errors import HandoverError, KeyUpdateUnsupported, PeerViolation, RequestError
from ktlsserve.http1.auth import VerificationPending
from ktlsserve.http1.body import BodyDiscarder
from ktlsserve.http1.head import head_end, parse_head, skip_leading_crlf
from ktlsserve.http1.reply import Reply, error_reply
from ktlsserve.http1.request import BodyKind
from ktlsserve.worker.answering import EtagPending, answer_request
from ktlsserve.worker.closing import abort, begin_close
from ktlsserve.worker.connection import Connection, Timeout
from ktlsserve.worker.counting import count_ready
from ktlsserve.worker.outbox import Outbox
from ktlsserve.worker.receivers import SocketReceiver
from ktlsserve.worker.senders import SocketSender
from ktlsserve.worker.sending import begin_sending, send_reply, watch_while_sending
from ktlsserve.worker.states import State

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker

logger = logging.getLogger(__name__)

_READ_BYTES = 65536
HEAD_END = b"\r\n\r\n"
_AWAITING = frozenset({State.IDLE, State.HEAD})
_REPLYING = frozenset({State.SENDING, State.READING})
# Replies to pipelined requests before other connections have their turn.
_REPLIES_A_TURN = 16


def begin_requests(worker: Worker, conn: Connection) -> None:
    """Start a connection without TLS that was just accepted."""
    conn.receiver, conn.sender = SocketReceiver(conn.sock), SocketSender(conn.sock)
    count_ready(worker, conn)
    worker.deadlines.set(conn, Timeout.HEAD, worker.now_s)


def receive_held(worker: Worker, conn: Connection) -> None:
    """Answer what the receiver holds; of what the socket holds epoll tells in the next turn.

    That turn learns of changed files first: a request sent after a change isn't answered with what was before it.
    """
    receive(worker, conn, held=True)


def receive(worker: Worker, conn: Connection, *, held: bool = False) -> None:
    """Read once, and answer what is complete; while a reply is being sent, only keep what was read."""
    receiver = conn.receiver
    if receiver is None:
        raise RuntimeError("only a connection that is ready receives requests")
    try:
        data = receiver.recv_held(_READ_BYTES) if held else receiver.recv(_READ_BYTES)
    except BlockingIOError:
        return
    except PeerViolation as error:
        _end_violation(worker, conn, error)
        return
    except HandoverError as error:
        logger.warning("%s: connection aborted: %s", conn.peer, error)
        abort(worker, conn)
        return
    except OSError as error:
        logger.debug("%s: %s", conn.peer, error)
        abort(worker, conn)
        return
    if data:
        if not conn.buffer and conn.state in _AWAITING and worker.answer_known(worker, conn, data):
            return
        conn.buffer = conn.buffer + data if conn.buffer else data
    else:
        conn.input_ended = True
    if conn.state in _REPLYING:
        watch_while_sending(worker, conn)
    else:
        answer_buffered(worker, conn)


def _end_violation(worker: Worker, conn: Connection, error: PeerViolation) -> None:
    """End a connection whose peer broke the protocol: at once where a reply is under way, else with close_notify.

    A reply that is cut must not look whole. A KeyUpdate that the kernel can't follow is no fault of the peer's: it is
    told in order that nothing more comes, and Content-Length tells it that the reply isn't whole.
    """
    logger.info("%s: connection ends: %s", conn.peer, error)
    if conn.state in _REPLYING and not isinstance(error, KeyUpdateUnsupported):
        abort(worker, conn)
    else:
        begin_close(worker, conn)


def continue_sending(worker: Worker, conn: Connection) -> None:
    """Send on; when the reply is complete, turn to the next request."""
    if send_reply(worker, conn):
        answer_buffered(worker, conn, answered=True)


def resume_sending(worker: Worker, conn: Connection) -> None:
    """Send on what has been read ahead."""
    if conn.outbox is None:
        raise RuntimeError("a file was read for no reply")
    conn.outbox.note_read()
    begin_sending(worker, conn)
    continue_sending(worker, conn)


def answer_buffered(worker: Worker, conn: Connection, *, answered: bool = False) -> None:
    """Answer the requests that are complete in ``buffer``, up to a turn's worth.

    ``answered`` tells that the connection has just finished a reply, so that what comes next is a new request.
    """
    for _ in range(_REPLIES_A_TURN):
        if _is_last(conn):
            begin_close(worker, conn)
            return
        conn.reply = None
        try:
            reply = _next_reply(worker, conn) if _body_is_over(conn) else None
        except RequestError as error:
            # The reply has gone: a second one would be taken for the reply to a request never made.
            logger.debug("%s: connection ends: %s", conn.peer, error)
            begin_close(worker, conn)
            return
        except VerificationPending:
            _await_errand(worker, conn, Timeout.HEAD)
            return
        except EtagPending:
            _await_errand(worker, conn, Timeout.ETAG)
            return
        if reply is None:
            _await_more(worker, conn, answered=answered)
            return
        conn.reply = reply
        conn.outbox = Outbox(reply)
        if not send_reply(worker, conn):
            return
        answered = True
    _take_turns(worker, conn)


def end_idle(worker: Worker, conn: Connection) -> None:
    """End an idle connection, unless its next request has come by now: that one is answered, and is the last."""
    if not conn.buffer:
        receive(worker, conn)
    if conn.state is State.IDLE and not conn.buffer:
        begin_close(worker, conn)


def time_out_head(worker: Worker, conn: Connection) -> None:
    """End a connection whose request head didn't come in time: with 408 if it had begun, else in silence."""
    if conn.discarder is not None or not conn.buffer:
        begin_close(worker, conn)
        return
    conn.buffer = b""
    conn.input_ended = True
    conn.reply = error_reply(408, None, worker.clock_s, server=worker.sites.default.server)
    worker.count_reply(conn, conn.reply)
    conn.outbox = Outbox(conn.reply)
    if send_reply(worker, conn):
        answer_buffered(worker, conn)


def _is_last(conn: Connection) -> bool:
    """Tell whether the connection ends after the reply that it has just finished."""
    return conn.reply is not None and (conn.reply.close or (conn.sender is not None and conn.sender.worn_out))


def _body_is_over(conn: Connection) -> bool:
    """Read over what is left of the last request's body."""
    if conn.discarder is None:
        return True
    rest = conn.discarder.receive_data(conn.buffer) if conn.buffer else None
    conn.buffer = rest or b""
    if rest is None:
        return False
    conn.discarder = None
    return True


def _next_reply(worker: Worker, conn: Connection) -> Reply | None:
    """Take one head off the buffer and answer it; None while it is incomplete.

    Raises what ``answer_request`` raises, and leaves the head where it is then.
    """
    head_limits = worker.service.head_limits
    empty_lines_bytes = skip_leading_crlf(conn.buffer)
    if empty_lines_bytes:
        # A lone CR was searched already, and its LF made it an empty line.
        conn.buffer = conn.buffer[empty_lines_bytes:]
        conn.searched = 0
    try:
        end = head_end(conn.buffer, head_limits, conn.searched)
        if end < 0:
            conn.searched = len(conn.buffer)
            return None
        head = conn.buffer[:end]
        request = parse_head(head, head_limits)
    except RequestError as error:
        logger.debug("%s: %s", conn.peer, error)
        conn.buffer = b""
        reply = error_reply(error.status, None, worker.clock_s, server=worker.sites.default.server)
        worker.count_reply(conn, reply)
        return reply
    limits = worker.client_limits
    last = worker.draining or (limits is not None and limits.is_last(conn))
    if last:
        request = dataclasses.replace(request, keep_alive=False)
    worker.files.horizon_s, epoch = math.inf, worker.files.epoch
    reply = answer_request(worker, conn, request, head)
    if limits is not None:
        limits.answered(conn)
    cell = worker.count_reply(conn, reply)
    conn.buffer = conn.buffer[end:]
    conn.searched = 0
    if worker.service.access_log is not None:
        conn.head, conn.request_s = head, worker.now_s
    if not reply.close and request.body.kind is not BodyKind.NONE:
        conn.discarder = BodyDiscarder(request.body, worker.sites.default.body_bytes)
    elif not last:
        conn.front.memo.keep(head, request, reply, epoch, cell + worker.service.counters.remembered_offset)
    return reply


def _await_more(worker: Worker, conn: Connection, *, answered: bool) -> None:
    """Wait for the rest of a body or head, or for the next request; close where nothing more can come.

    A head has its time from its first byte on: more bytes of it don't start it anew. Neither do bytes of a body.
    """
    if conn.input_ended:
        begin_close(worker, conn)
        return
    if conn.discarder is not None:
        state, timeout = State.BODY, Timeout.HEAD
    elif conn.buffer or (conn.state is State.HEAD and not answered):
        state, timeout = State.HEAD, Timeout.HEAD
    else:
        state, timeout = State.IDLE, Timeout.IDLE
    if state is State.IDLE and not worker.departure.keeps_idle:
        begin_close(worker, conn)
        return
    if answered or conn.state is not state:
        worker.deadlines.set(conn, timeout, worker.now_s)
    if conn.state is not state:
        conn.move(state)
    worker.watch(conn, select.EPOLLIN)
    if conn.receiver is not None and conn.receiver.buffered:
        worker.later(conn, receive_held)


def _await_errand(worker: Worker, conn: Connection, timeout: Timeout) -> None:
    """Wait for what a thread finds out for the head that is first in the buffer; nothing is read meanwhile."""
    if conn.state is not State.HEAD:
        conn.move(State.HEAD)
    worker.deadlines.set(conn, timeout, worker.now_s)
    worker.watch(conn, 0)


def _take_turns(worker: Worker, conn: Connection) -> None:
    """Let others go first; nothing is read meanwhile, so a client can't pile up requests."""
    if conn.state is not State.IDLE:
        conn.move(State.IDLE)
    worker.deadlines.set(conn, Timeout.IDLE, worker.now_s)
    worker.watch(conn, 0)
    worker.later(conn, answer_buffered)
