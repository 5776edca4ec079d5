"""The phase before all others, where a load balancer must say whom it speaks for: the PROXY protocol.

The header is read byte-exact from the socket, in clear, also where the kernel's TLS layer is attached already: without
keys the socket is ordinary TCP. What is behind the header is left there for the handshake or the first request. The
time for it is the handshake's, and a connection in this phase has its place among the handshakes.
"""

from __future__ import annotations

import logging
import select
from typing import TYPE_CHECKING

from ktlsserve.errors import ProxyHeaderError
from ktlsserve.proxy_protocol.header import ProxyHeader
from ktlsserve.proxy_protocol.reader import HeaderReader
from ktlsserve.tls.failures import LEFT, PROXY_HEADER
from ktlsserve.worker.closing import abort
from ktlsserve.worker.connection import Connection, Timeout
from ktlsserve.worker.counting import count_failure
from ktlsserve.worker.handshaking import begin_handshake
from ktlsserve.worker.requests import begin_requests
from ktlsserve.worker.service import TlsService
from ktlsserve.worker.states import State

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker

logger = logging.getLogger(__name__)


def begin_proxy_header(worker: Worker, conn: Connection, tls: TlsService | None) -> None:
    """Start a connection that was just accepted from a load balancer; with ``tls``, a handshake follows."""
    conn.proxy_header = HeaderReader()
    if tls is not None:
        # The kernel's TLS layer must be attached now: it can't be once the peer has sent FIN.
        begin_handshake(worker, conn, tls)
        return
    worker.deadlines.set(conn, Timeout.HANDSHAKE, worker.now_s)
    worker.watch(conn, select.EPOLLIN)


def continue_proxy_header(worker: Worker, conn: Connection) -> None:
    """Read on; when the header is complete, epoll tells of what is behind it in the next turn."""
    reader = conn.proxy_header
    if reader is None:
        raise RuntimeError("a connection before its PROXY header has lost the reader")
    header = None
    try:
        # As many reads as a header has steps, which its length bounds.
        while header is None:
            data = conn.sock.recv(reader.wanted)
            if not data:
                logger.debug("%s: left before its PROXY header", conn.peer)
                count_failure(worker, LEFT)
                abort(worker, conn)
                return
            header = reader.receive_data(data)
    except BlockingIOError:
        return
    except ProxyHeaderError as error:
        logger.info("%s: connection refused: %s", conn.peer, error)
        count_failure(worker, PROXY_HEADER)
        abort(worker, conn)
        return
    except OSError as error:
        logger.debug("%s: left before its PROXY header: %s", conn.peer, error)
        count_failure(worker, LEFT)
        abort(worker, conn)
        return
    conn.proxy_header = None
    _name_peer(conn, header)
    limits = worker.client_limits
    if limits is not None and header.source is not None and not limits.admit(conn, worker.now_s):
        abort(worker, conn)
        return
    if conn.handshake is not None:
        conn.move(State.HANDSHAKE)
    else:
        conn.move(State.HEAD)
        begin_requests(worker, conn)


def _name_peer(conn: Connection, header: ProxyHeader) -> None:
    """Call the connection by its client, where the header names one."""
    if header.source is None:
        logger.debug("%s: a PROXY header of version %d that names nobody", conn.peer, header.version)
        return
    conn.balancer, conn.peer = conn.peer, str(header.source)
    logger.debug("%s: connected to %s, by way of %s", conn.peer, header.target, conn.balancer)
