"""The way of nearly every request: one head whose reply is known, answered without looking into either."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ktlsserve.errors import HandoverError
from ktlsserve.worker.closing import abort, begin_close
from ktlsserve.worker.connection import Connection, Timeout
from ktlsserve.worker.memo import FinishedReply
from ktlsserve.worker.outbox import Outbox
from ktlsserve.worker.requests import HEAD_END, receive_held
from ktlsserve.worker.sending import begin_sending, send_finished
from ktlsserve.worker.states import State

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker

logger = logging.getLogger(__name__)


def answer_from_memo(worker: Worker, conn: Connection, data: bytes) -> bool:
    """Answer ``data`` if it is one head whose reply is known; return whether it was."""
    memo = conn.front.memo
    known = memo.find(data, worker.now_s)
    if known is None:
        if not data.endswith(HEAD_END) or data.find(HEAD_END) != len(data) - 4:
            return False
        known = memo.find_by_key(data, worker.now_s)
    if known is None or worker.draining or (conn.sender is not None and conn.sender.worn_out):
        return False
    finished, log_text = known
    if finished.second != worker.clock_s:
        finished.date(worker.clock_s)
    if log_text:
        conn.head, conn.request_s = data, worker.now_s
    try:
        sent = send_finished(worker, conn, finished)
    except (OSError, HandoverError) as error:
        logger.debug("%s: left during a reply: %s", conn.peer, error)
        abort(worker, conn)
        return True
    if sent < 0:
        _conclude_finished(worker, conn, finished, log_text)
    else:
        conn.reply = finished.rest(sent)
        conn.outbox = Outbox(conn.reply)
        begin_sending(worker, conn)
    return True


def _conclude_finished(worker: Worker, conn: Connection, finished: FinishedReply, log_text: bytes) -> None:
    """Turn to the next request, or to the end, after a known reply was sent whole."""
    if log_text:
        worker.known_reply_sent(conn, log_text)
    if finished.close:
        begin_close(worker, conn)
        return
    if conn.state is not State.IDLE:
        conn.move(State.IDLE)
    worker.deadlines.set(conn, Timeout.IDLE, worker.now_s)
    if conn.receiver is not None and conn.receiver.buffered:
        worker.later(conn, receive_held)
