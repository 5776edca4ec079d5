"""Ending a connection so that nothing is lost, or at once so that nothing is mistaken for complete.

An orderly close has an order, because each step destroys what the step before hasn't finished:

1. wait until TCP has had everything acknowledged. A kTLS record that TCP took only in part is dropped by shutdown and
   close without a word, and there is no event for when it has left: SIOCOUTQ is asked again and again;
2. send close_notify. TCP's queue is empty now, so this call also pushes, before it returns, whatever the kernel had yet
   to push of the last record; before that moment a 0 from SIOCOUTQ might be the pause between two parts of it;
3. wait for 0 again, twice in a row;
4. shut the sending side;
5. read until the peer has closed too, because closing with unread input sends RST, which may overtake our last bytes;
6. close.

``abort`` is for everything else: RST, no close_notify, so that a reply which isn't whole can't look whole.
"""

from __future__ import annotations

import logging
import select
import socket
import struct
from typing import TYPE_CHECKING

from ktlsserve.errors import HandoverError
from ktlsserve.kernel.ktls import unsent_bytes
from ktlsserve.observe.counters import TIMEOUTS
from ktlsserve.worker.connection import Connection, Timeout
from ktlsserve.worker.states import State

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker

logger = logging.getLogger(__name__)

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CONTROL_BYTES = socket.CMSG_SPACE(1)
_DISCARD_BYTES = 65536
_DISCARDS_A_TURN = 16
# The first looks come fast, for a round trip in a data centre; a slow client is asked less often.
_SOON_CHECKS = 16
_CLOSING = frozenset({State.FLUSHING, State.NOTIFIED})


def begin_close(worker: Worker, conn: Connection) -> None:
    """End the connection in order, after what was handed to the sender."""
    _note_cut_reply(worker, conn)
    conn.release_reply()
    conn.move(State.FLUSHING)
    conn.unsent_bytes = -1
    worker.deadlines.set(conn, Timeout.CLOSE, worker.now_s)
    if conn.sender is None:
        raise RuntimeError("only a connection that can send is closed in order")
    check_flushed(worker, conn)
    if conn.state in _CLOSING:
        worker.watch(conn, select.EPOLLOUT if conn.sender.holds_ciphertext else 0)


def check_flushed(worker: Worker, conn: Connection) -> None:
    """Look whether everything has left, and go on to the next step if so."""
    sender = conn.sender
    if sender is None or conn.state not in _CLOSING:
        # A look that was due while the socket told of room first.
        return
    try:
        unsent = sender.flush()
        if conn.state is State.FLUSHING and not unsent:
            sender.send_close_notify()
            conn.move(State.NOTIFIED)
            conn.unsent_bytes = -1
            unsent = sender.flush()
    except BlockingIOError:
        unsent = 0
    except (OSError, HandoverError) as error:
        logger.debug("%s: while closing: %s", conn.peer, error)
        abort(worker, conn)
        return
    if conn.state is State.NOTIFIED and not unsent and (conn.unsent_bytes == 0 or not conn.kernel_sends):
        linger(worker, conn)
        return
    if unsent < conn.unsent_bytes:
        # The peer is taking bytes: it has its time anew.
        worker.deadlines.set(conn, Timeout.CLOSE, worker.now_s)
    conn.unsent_bytes = unsent
    conn.flush_checks += 1
    worker.check_again(conn, soon=conn.flush_checks < _SOON_CHECKS)


def linger(worker: Worker, conn: Connection) -> None:
    """Shut the sending side, then read until the peer has closed or the deadline passes."""
    conn.move(State.LINGERING)
    try:
        conn.sock.shutdown(socket.SHUT_WR)
    except OSError as error:
        logger.debug("%s: gone before the shutdown: %s", conn.peer, error)
        close(worker, conn)
        return
    conn.unsent_bytes = -1
    worker.deadlines.set(conn, Timeout.CLOSE, worker.now_s)
    worker.watch(conn, select.EPOLLIN)


def time_out_close(worker: Worker, conn: Connection) -> None:
    """End a connection that has had its time to close; while its client still takes bytes, it has its time anew.

    Where TCP delivers what it took even after shutdown, a slow client may be far from the end of its reply when the
    sending side is shut: what is unsent then is first looked at here.
    """
    unsent = unsent_bytes(conn.sock)
    # Our FIN counts as one.
    if conn.state is State.LINGERING and unsent > 1 and (conn.unsent_bytes < 0 or unsent < conn.unsent_bytes):
        conn.unsent_bytes = unsent
        worker.deadlines.set(conn, Timeout.CLOSE, worker.now_s)
        return
    worker.counts[TIMEOUTS[("close",)]] += 1
    abort(worker, conn)


def discard_input(worker: Worker, conn: Connection) -> None:
    """Read and forget; close at the end of the stream."""
    try:
        for _ in range(_DISCARDS_A_TURN):
            # recvmsg, because plain recv fails on a control record such as the peer's close_notify.
            data, control, _flags, _address = conn.sock.recvmsg(_DISCARD_BYTES, _CONTROL_BYTES)
            if not data and not control:
                close(worker, conn)
                return
    except BlockingIOError:
        return
    except OSError as error:
        logger.debug("%s: while lingering: %s", conn.peer, error)
        close(worker, conn)


def abort(worker: Worker, conn: Connection) -> None:
    """End the connection at once with RST, dropping what hasn't left."""
    try:
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    except OSError as error:
        logger.debug("%s: %s", conn.peer, error)
    close(worker, conn)


def refuse(sock: socket.socket) -> None:
    """Close a connection that was just accepted, with RST: so the kernel keeps nothing of it either."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()


def close(worker: Worker, conn: Connection) -> None:
    """Give the connection's descriptor, files and timers back."""
    _note_cut_reply(worker, conn)
    conn.release_reply()
    worker.forget(conn)
    conn.move(State.CLOSED)
    conn.handshake = None
    conn.receiver = None
    conn.sender = None
    conn.sock.close()


def _note_cut_reply(worker: Worker, conn: Connection) -> None:
    """Have a reply logged that won't be sent whole, with what was taken of its body."""
    if conn.outbox is not None and conn.reply is not None:
        sent_bytes = max(0, conn.reply.body_bytes - conn.outbox.unsent_bytes)
        worker.reply_sent(conn, conn.reply.status, sent_bytes)
