"""The handshake phase: records in, records out, and at the end the hand-over to the kernel."""

from __future__ import annotations

import errno
import logging
import select
from dataclasses import replace
from typing import TYPE_CHECKING

from ktlsserve.errors import HandoverError, HandshakeError
from ktlsserve.tls.failures import HAND_OVER, LEFT, failure_reason
from ktlsserve.tls.handshake import Established, Handshake
from ktlsserve.worker.closing import abort, linger
from ktlsserve.worker.connection import Connection, Timeout
from ktlsserve.worker.counting import count_failure, count_handshake, count_ready
from ktlsserve.worker.handover import hand_over, prepare
from ktlsserve.worker.requests import receive_held
from ktlsserve.worker.service import TlsService
from ktlsserve.worker.states import State

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker

logger = logging.getLogger(__name__)

# Exact reading takes two reads for each record; a client that sends tiny records gets one turn at a time.
_READS_A_TURN = 64


def begin_handshake(worker: Worker, conn: Connection, tls: TlsService) -> None:
    """Start a connection that was just accepted."""
    worker.deadlines.set(conn, Timeout.HANDSHAKE, worker.now_s)
    try:
        conn.kernel_sends = prepare(conn.sock, tls.plan)
    except HandoverError as error:
        logger.info("%s: connection refused: %s", conn.peer, error)
        count_failure(worker, LEFT if error.errno == errno.ENOTCONN else HAND_OVER)
        abort(worker, conn)
        return
    exact = conn.kernel_sends and tls.plan.kernel_receives
    conn.handshake = Handshake(tls.context, max_bytes=tls.max_handshake_bytes, exact=exact, now_s=worker.clock_s)


def continue_handshake(worker: Worker, conn: Connection) -> None:
    """Go on as far as the socket allows."""
    handshake = conn.handshake
    if handshake is None:
        raise RuntimeError("a connection in its handshake has lost it")
    try:
        # Nothing is read, and no key installed, while handshake bytes wait to leave.
        going_on, reads = _send_output(worker, conn), 0
        while going_on and handshake.established is None and reads < _READS_A_TURN:
            going_on, reads = _step(worker, conn, handshake), reads + 1
        if going_on and handshake.established is not None:
            _finish(worker, conn, handshake)
    except BlockingIOError:
        return
    except HandshakeError as error:
        logger.info("%s: handshake failed: %s", conn.peer, error)
        count_failure(worker, failure_reason(str(error)))
        _say_why(conn, handshake)
        worker.handshake_ended(conn)
        linger(worker, conn)
    except OSError as error:
        logger.debug("%s: handshake failed: %s", conn.peer, error)
        count_failure(worker, LEFT)
        abort(worker, conn)


def _step(worker: Worker, conn: Connection, handshake: Handshake) -> bool:
    """Read once and answer; return whether to go on at once.

    After an answer the client has to say something, and after a read that found less than wanted it has to send the
    rest: epoll tells of either, and looking for it sooner is mostly in vain.
    """
    wanted = handshake.wanted
    data = conn.sock.recv(wanted)
    if not data:
        logger.debug("%s: left during the handshake", conn.peer)
        count_failure(worker, LEFT)
        abort(worker, conn)
        return False
    handshake.receive_data(data)
    answer = conn.handshake_output = handshake.data_to_send()
    if not _send_output(worker, conn):
        return False
    return handshake.established is not None or (not answer and len(data) == wanted)


def _send_output(worker: Worker, conn: Connection) -> bool:
    """Send handshake bytes in clear on the socket; return whether all have left."""
    if conn.handshake_output:
        try:
            sent = conn.sock.send(conn.handshake_output)
        except BlockingIOError:
            sent = 0
        conn.handshake_output = conn.handshake_output[sent:]
        worker.watch(conn, select.EPOLLOUT if conn.handshake_output else select.EPOLLIN)
    return not conn.handshake_output


def _say_why(conn: Connection, handshake: Handshake) -> None:
    """Send the alert, if it fits: a client that doesn't read gets none."""
    try:
        conn.sock.send(handshake.data_to_send())
    except OSError as error:
        logger.debug("%s: no alert sent: %s", conn.peer, error)


def _finish(worker: Worker, conn: Connection, handshake: Handshake) -> None:
    established, tls = handshake.established, worker.service.tls
    if established is None or tls is None:
        raise RuntimeError("a handshake that isn't finished can't be handed over")
    try:
        halves = hand_over(conn.sock, handshake, established, tls.plan, prepared=conn.kernel_sends)
    except (HandoverError, HandshakeError) as error:
        logger.warning("%s: hand-over failed: %s", conn.peer, error)
        count_failure(worker, HAND_OVER if isinstance(error, HandoverError) else failure_reason(str(error)))
        abort(worker, conn)
        return
    conn.handshake = None
    # The keys are where they belong now; the connection's record of its handshake has none.
    conn.established = established if established.tx is None else replace(established, tx=None, rx=None)
    conn.handshake_s = worker.now_s - conn.accepted_s
    conn.kernel_sends = halves.kernel_sends
    conn.receiver, conn.sender = halves.receiver, halves.sender
    count_ready(worker, conn)
    count_handshake(worker, conn, established)
    if logger.isEnabledFor(logging.DEBUG):
        _log(conn, established)
    conn.move(State.HEAD)
    worker.handshake_ended(conn)
    worker.deadlines.set(conn, Timeout.HEAD, worker.now_s)
    if halves.receiver.buffered:
        # A request may have come with the client's Finished, later than this turn began, and after a file was changed.
        worker.files.take_notices()
        receive_held(worker, conn)


def _log(conn: Connection, established: Established) -> None:
    logger.debug(
        "%s: %s %s %s resumed=%s tls=%s",
        conn.peer,
        established.suite.version.label,
        established.suite.openssl_name,
        established.group,
        established.resumed,
        "kernel" if conn.kernel_sends else "userspace",
    )
    if established.client is not None:
        logger.debug("%s: the client is %s", conn.peer, established.client.subject)
