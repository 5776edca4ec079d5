"""The sending phase: a reply to its sender, slice by slice, for as long as the client takes it."""

from __future__ import annotations

import logging
import select
from typing import TYPE_CHECKING

from ktlsserve.errors import FileTruncated, HandoverError
from ktlsserve.kernel.ktls import unsent_bytes
from ktlsserve.observe.counters import TIMEOUTS
from ktlsserve.worker.closing import abort
from ktlsserve.worker.connection import Connection, Timeout
from ktlsserve.worker.memo import FinishedReply
from ktlsserve.worker.outbox import Outbox, Progress
from ktlsserve.worker.senders import Sender
from ktlsserve.worker.states import State

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker

logger = logging.getLogger(__name__)


def send_reply(worker: Worker, conn: Connection) -> bool:
    """Send a slice of the reply; return whether it is complete and the connection still there."""
    outbox, sender = conn.outbox, conn.sender
    if outbox is None or sender is None:
        raise RuntimeError("there is no reply to send")
    # A reply begins with a whole slice: most are at their end with it, and need no event to go on.
    slice_bytes = worker.turn.slice_bytes if conn.state is State.SENDING else worker.service.limits.slice_bytes
    try:
        progress = outbox.send(sender, slice_bytes, worker.residency.at_hand)
    except (FileTruncated, HandoverError) as error:
        logger.warning("%s: connection aborted: %s", conn.peer, error)
        abort(worker, conn)
        return False
    except OSError as error:
        logger.debug("%s: left during a reply: %s", conn.peer, error)
        abort(worker, conn)
        return False
    finally:
        _count_sent(worker.counts, outbox, sender)
    if progress is Progress.DONE:
        if conn.reply is not None:
            worker.reply_sent(conn, conn.reply.status, conn.reply.body_bytes)
        conn.outbox = None
        conn.unsent_bytes = -1
        return True
    if progress is Progress.NOT_AT_HAND:
        await_file(worker, conn)
        return False
    if conn.state is not State.SENDING:
        begin_sending(worker, conn)
    return False


def begin_sending(worker: Worker, conn: Connection) -> None:
    """Have the rest of the reply sent as there is room for it, within the send timeout.

    That is looked at when it passes and not before: a slice costs nothing but the call that sends it.
    """
    conn.move(State.SENDING)
    watch_while_sending(worker, conn)
    _expect_progress(worker, conn)


def send_finished(worker: Worker, conn: Connection, finished: FinishedReply) -> int:
    """Send a finished reply as far as one call for each part goes; return the bytes taken, -1 for all of them.

    None is sent of a file that isn't at hand.
    """
    sender, wire, file = conn.sender, finished.wire, finished.file
    counts = worker.counts
    if sender is None:
        raise RuntimeError("there is nothing to send with")
    counts[finished.cell] += 1
    if file is not None and worker.now_s >= file.at_hand_until_s:
        most_bytes = min(finished.count, worker.service.limits.slice_bytes)
        if not worker.residency.at_hand(file, finished.offset, most_bytes):
            return 0
    sent = 0
    try:
        sent = sender.send(wire, following_bytes=finished.count)
        counts[sender.memory_cell] += sent
        if file is not None and sent == len(wire):
            most_bytes = min(finished.count, worker.service.limits.slice_bytes)
            of_file = sender.send_file(file.fd, finished.offset, most_bytes)
            counts[sender.file_cell] += of_file
            sent += of_file
    except BlockingIOError:
        return sent
    if sent < len(wire) + finished.count or (sender.holds_ciphertext and sender.flush()):
        return sent
    return -1


def watch_while_sending(worker: Worker, conn: Connection) -> None:
    """Wait for room to send; read on too (a KeyUpdate must not wait for the end of a download), within bounds.

    While a file is being read ahead there is nothing to send.
    """
    room = not conn.input_ended and len(conn.buffer) < worker.service.head_limits.head_bytes
    sending = select.EPOLLOUT if conn.state is State.SENDING else 0
    worker.watch(conn, sending | select.EPOLLIN if room else sending)


def await_file(worker: Worker, conn: Connection) -> None:
    """Wait until the window that comes next has been read by a thread; the client has no part in it, and no timeout."""
    if conn.state is not State.SENDING:
        conn.move(State.SENDING)
    conn.move(State.READING)
    worker.deadlines.clear(conn)
    if worker.reader.submit(conn):
        watch_while_sending(worker, conn)
    else:
        logger.warning("%s: connection aborted: too many files wait to be read", conn.peer)
        abort(worker, conn)


def time_out_send(worker: Worker, conn: Connection) -> None:
    """End a connection whose client takes nothing; one that has taken any byte has its time anew.

    Room in the send buffer is no measure: epoll tells of it only when a third is free, which takes a slow client long.
    """
    before = conn.unsent_bytes
    _expect_progress(worker, conn)
    # Unknown where another reply began since the last look: then that is what the client has taken.
    if 0 <= before <= conn.unsent_bytes:
        logger.info("%s: connection aborted: the client takes nothing", conn.peer)
        worker.counts[TIMEOUTS[("send",)]] += 1
        abort(worker, conn)


def _count_sent(counts: list[int], outbox: Outbox, sender: Sender) -> None:
    """Count what the sender has taken since the last time."""
    counts[sender.file_cell] += outbox.file_bytes
    counts[sender.memory_cell] += outbox.memory_bytes
    outbox.file_bytes = outbox.memory_bytes = 0


def _expect_progress(worker: Worker, conn: Connection) -> None:
    """Start the send timeout, and note what the client has yet to take."""
    worker.deadlines.set(conn, Timeout.SEND, worker.now_s)
    held = conn.sender.held_bytes if conn.sender is not None else 0
    unsent = conn.outbox.unsent_bytes if conn.outbox is not None else 0
    conn.unsent_bytes = unsent_bytes(conn.sock) + held + unsent
