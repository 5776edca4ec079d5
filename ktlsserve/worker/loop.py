"""The event loop of one worker process.

Level-triggered epoll: what isn't dealt with now is reported again. A connection's event goes to the phase that its
state names; an exception there that nobody foresaw costs that connection, and is logged, and nothing else. The worker
takes no signals: its supervisor speaks to it through a socket, whose end means that the supervisor is gone.
"""

from __future__ import annotations

import logging
import math
import select
import socket
import time
from collections.abc import Callable
from enum import IntEnum, auto
from itertools import islice

from ktlsserve.clients.tables import ClientTables
from ktlsserve.files.cache import FileCache
from ktlsserve.http1.reply import Reply
from ktlsserve.observe.board import Slot
from ktlsserve.observe.counters import (
    BUGS,
)
from ktlsserve.worker import closing, handshaking, known, limiting, proxying, requests
from ktlsserve.worker.accepting import Acceptor, address_of
from ktlsserve.worker.accounting import write_client
from ktlsserve.worker.connection import Connection, Timeout
from ktlsserve.worker.counting import count_begun, count_ended
from ktlsserve.worker.dispatch import on_event, on_timeout
from ktlsserve.worker.fronts import change_notices, make_fronts
from ktlsserve.worker.hashing import ETAG_WAIT_S, Hashing
from ktlsserve.worker.limiting import limits_of_clients
from ktlsserve.worker.orders import RETIRE, STOP, Orders
from ktlsserve.worker.reading import Reader
from ktlsserve.worker.residency import Residency
from ktlsserve.worker.service import Service
from ktlsserve.worker.stages import Departure, Stage
from ktlsserve.worker.states import State
from ktlsserve.worker.timers import Deadlines
from ktlsserve.worker.turn import Turn
from ktlsserve.worker.upkeep import Upkeep, sampled
from ktlsserve.worker.verifier import Verifier

logger = logging.getLogger(__name__)

_EVENTS_A_TURN = 256
# A step of a handshake takes as long as tens of requests: so many, after all that others have to do in a turn.
_HANDSHAKES_A_TURN = 8
_FAST_CHECK_S = 0.001
_SLOW_CHECK_S = 0.02

Action = Callable[["Worker", Connection], None]


class Check(IntEnum):
    """When a closing connection is looked at again."""

    SOON = auto()
    SLOW = auto()


class Worker:
    """Serves connections from the shared listeners until told to drain.

    ``control`` is a socket pair's end whose other one the supervisor holds (``orders``). ``departure`` says how far
    this worker is in leaving; ``draining``, that it is: every reply is then the last on its connection.
    ``now_s`` is the monotonic time of this turn, ``when_s`` its time of day in seconds since the epoch, and ``clock_s``
    that in whole seconds. ``counts`` are its counters (``observe.counters``), which others see in ``slot``. ``tables``
    are what this worker sees of all clients, where they are limited, and ``answer_known`` is
    ``known.answer_from_memo`` or what stands for it then.
    """

    def __init__(
        self, service: Service, control: socket.socket, slot: Slot | None = None, tables: ClientTables | None = None
    ) -> None:
        self.service = service
        self.now_s = time.monotonic()
        self.draining = False
        timeouts = service.timeouts
        self.deadlines: Deadlines[Connection, Timeout] = Deadlines(
            {
                Timeout.HANDSHAKE: timeouts.handshake_s,
                Timeout.HEAD: timeouts.head_s,
                Timeout.IDLE: timeouts.idle_s,
                Timeout.SEND: timeouts.send_s,
                Timeout.CLOSE: timeouts.close_s,
                Timeout.ETAG: ETAG_WAIT_S,
            }
        )
        self._checks: Deadlines[Connection, Check] = Deadlines({Check.SOON: _FAST_CHECK_S, Check.SLOW: _SLOW_CHECK_S})
        self._connections: dict[int, Connection] = {}
        self._later: list[tuple[Connection, State, Action]] = []
        # Those that have something to do, the one that has waited longest first.
        self._handshakes: dict[Connection, None] = {}
        self._orders = Orders(control, service.access_log)
        self.departure = Departure(service.drain_s, service.drain_pause_s)
        self.counts = slot.begin() if slot is not None else [0] * service.counters.size
        self._epoll = select.epoll()
        self._epoll.register(control.fileno(), select.EPOLLIN)
        self.when_s = time.time()
        self.clock_s = int(self.when_s)
        notices = change_notices()
        if notices is not None:
            self._epoll.register(notices.fileno(), select.EPOLLIN)
        self._notices_event = (notices.fileno() if notices is not None else -1, select.EPOLLIN)
        self.files = FileCache(
            service.roots[0], notices, most_entries=service.files.cached_files, max_age_s=service.files.cache_s
        )
        self.residency = Residency(enabled=service.files.read_threads > 0)
        self.reader = Reader(service.files.read_threads, service.limits.connections)
        self._epoll.register(self.reader.fileno(), select.EPOLLIN)
        fronts = make_fronts(service, self.files, self.residency, lambda: self.departure.ready)
        self.sites, self._front, self._redirect_front = fronts.sites, fronts.ordinary, fronts.redirecting
        self._redirect_fds = {listener.fileno() for listener in service.redirect_listeners}
        self.verifier: Verifier[Connection] = Verifier()
        self._epoll.register(self.verifier.fileno(), select.EPOLLIN)
        self.hashing: Hashing[Connection] | None = None
        if any(site.etags is not None for site in self.sites.all()):
            self.hashing = Hashing()
            for fd in self.hashing.filenos():
                self._epoll.register(fd, select.EPOLLIN)
        self._acceptor = Acceptor(service, self._epoll)
        limits = service.limits
        self.turn = Turn(self._handle, alone_bytes=limits.slice_bytes, shared_bytes=limits.shared_slice_bytes)
        self.client_limits = limits_of_clients(service, tables)
        limited = self.client_limits is not None and self.client_limits.limits_requests
        self.answer_known = limiting.answer_known if limited else known.answer_from_memo
        self._upkeep = self._make_upkeep(slot)

    def run(self) -> None:
        """Serve until the drain is over."""
        while not (self.draining and self._is_done()):
            ready = self._epoll.poll(self._wait_s(), _EVENTS_A_TURN)
            self._begin_turn(noticed=self._notices_event in ready)
            self.turn.handle(ready, self.now_s)
            self._run_handshakes()
            self._run_later()
            self._run_timers()
        self.verifier.close()
        if self.hashing is not None:
            self.hashing.close()
        self.reader.close()
        self._upkeep.close()

    # What the phases call.

    def watch(self, conn: Connection, events: int) -> None:
        """Have epoll report ``events`` of the connection; errors and hang-ups are reported always."""
        if conn.interest != events:
            conn.interest = events
            self._epoll.modify(conn.fd, events)

    def later(self, conn: Connection, action: Action) -> None:
        """Run ``action`` after others had their turn, unless the connection has moved to another state by then."""
        self._later.append((conn, conn.state, action))

    def handshake_waits(self, conn: Connection) -> None:
        """Go on with a handshake after others had their turn, in this turn or in a later one."""
        self._handshakes[conn] = None

    def check_again(self, conn: Connection, *, soon: bool) -> None:
        """Look again whether a closing connection's bytes have left."""
        self._checks.set(conn, Check.SOON if soon else Check.SLOW, self.now_s)

    def handshake_ended(self, conn: Connection) -> None:
        """Make room for another handshake."""
        self._acceptor.handshake_ended(conn)

    def reply_sent(self, conn: Connection, status: int, body_bytes: int) -> None:
        """Note a reply that was taken, whole or as far as ``body_bytes`` of its body."""
        log = self.service.access_log
        if log is None:
            return
        client, head = conn.logged_client, conn.head
        if client is None:
            client = write_client(log, conn, self.service.forwarded_from)
        # A reply to what was no request (a bad head, one that didn't come) has no request line, as nginx writes it.
        log.write(client, head, status, body_bytes, self.when_s, self.now_s - conn.request_s if head else 0.0)
        conn.head = b""

    def known_reply_sent(self, conn: Connection, log_text: bytes) -> None:
        """Note a known reply that was taken whole at once; ``log_text`` is what the log says of it."""
        log, client = self.service.access_log, conn.logged_client
        if log is None:
            return
        if client is None:
            client = write_client(log, conn, self.service.forwarded_from)
        log.write_known(client, log_text, self.when_s)
        conn.head = b""

    def count_reply(self, conn: Connection, reply: Reply) -> int:
        """Count a reply that was worked out, and return its cell."""
        cell = self.service.counters.requests[reply.site or conn.front.site, reply.status]
        self.counts[cell] += 1
        return cell

    def forget(self, conn: Connection) -> None:
        """Drop a connection that is about to close."""
        self._connections.pop(conn.fd, None)
        self.turn.forget(conn.fd)
        if conn.state is State.READING:
            self.reader.cancel(conn)
        count_ended(self, conn)
        self.deadlines.clear(conn)
        self._checks.clear(conn)
        self._acceptor.connection_ended(conn)
        if self.client_limits is not None:
            self.client_limits.connection_ended(conn)

    def _make_upkeep(self, slot: Slot | None) -> Upkeep:
        log = self.service.access_log
        return Upkeep(self.counts, slot, log, sampled(self.files, self._acceptor, self.client_limits, log))

    # The parts of a turn.

    def _begin_turn(self, *, noticed: bool) -> None:
        """Take the time, and learn of changed files before any request is answered."""
        self.now_s = self.files.now_s = self.residency.now_s = time.monotonic()
        self.when_s = time.time()
        self.clock_s = int(self.when_s)
        if noticed:
            self.files.take_notices()

    def _handle(self, fd: int, events: int) -> None:
        conn = self._connections.get(fd)
        if conn is not None:
            self._guard(conn, on_event, events)
        elif self._acceptor.owns(fd):
            self._accept(fd)
        elif fd == self._orders.fileno():
            self._obey()
        elif fd == self.verifier.fileno():
            self._resume(self.verifier.finished(self.clock_s))
        elif self.hashing is not None and fd in self.hashing.filenos():
            self._resume(self.hashing.finished())
        elif fd == self.reader.fileno():
            for conn in self.reader.finished(self.residency):
                self._guard(conn, requests.resume_sending)

    def _accept(self, fd: int) -> None:
        accepted = self._acceptor.accept(fd, self.now_s)
        if accepted is not None:
            self._begin(*accepted, redirects=fd in self._redirect_fds)

    def _begin(self, sock: socket.socket, peer: str, *, redirects: bool) -> None:
        tls = None if redirects else self.service.tls
        front = self._redirect_front if redirects else self._front
        sources = self.service.proxy_sources
        proxied = sources is not None and address_of(peer) in sources
        first = State.PROXY_HEADER if proxied else State.HANDSHAKE if tls else State.HEAD
        conn = Connection(sock, peer, first, self.now_s, front)
        if self.client_limits is not None and not proxied and not self.client_limits.admit(conn, self.now_s):
            closing.refuse(sock)
            return
        try:
            self._epoll.register(conn.fd, conn.interest)
        except OSError as error:
            # The kernel's memory, or this user's watches (fs.epoll.max_user_watches), are used up.
            logger.warning("%s: connection refused: epoll: %s", peer, error.strerror)
            if self.client_limits is not None:
                self.client_limits.connection_ended(conn)
            sock.close()
            return
        self._connections[conn.fd] = conn
        count_begun(self)
        self._acceptor.connection_begun(conn, handshake=tls is not None)
        if proxied:
            self._guard(conn, proxying.begin_proxy_header, tls)
        elif tls is not None:
            self._guard(conn, handshaking.begin_handshake, tls)
        else:
            self._guard(conn, requests.begin_requests)

    def _resume(self, waiters: list[Connection]) -> None:
        """Answer the requests that waited for something which is done, of connections that still wait for it."""
        for conn in waiters:
            if conn.state is State.HEAD:
                self._guard(conn, requests.answer_buffered)

    def _guard(self, conn: Connection, action: Callable[..., None], *arguments: object) -> None:
        """Run ``action`` on the connection; a bug costs that connection and no other."""
        try:
            action(self, conn, *arguments)
        except Exception:
            logger.exception("%s: a bug ended this connection in state %s", conn.peer, conn.state.name)
            self.counts[BUGS] += 1
            if conn.state is not State.CLOSED:
                closing.abort(self, conn)

    def _run_handshakes(self) -> None:
        """Go on with those that have waited longest; epoll tells of the others again, which changes nothing."""
        if self._handshakes:
            for conn in list(islice(self._handshakes, _HANDSHAKES_A_TURN)):
                del self._handshakes[conn]
                if conn.state is State.HANDSHAKE:
                    self._guard(conn, handshaking.continue_handshake)

    def _run_later(self) -> None:
        postponed, self._later = self._later, []
        for conn, state, action in postponed:
            if conn.state is state:
                self._guard(conn, action)

    def _run_timers(self) -> None:
        if self.now_s >= self.deadlines.soonest_s:
            for conn, kind in self.deadlines.expired(self.now_s):
                self._guard(conn, on_timeout, kind)
        if self.now_s >= self._checks.soonest_s:
            for conn, _check in self._checks.expired(self.now_s):
                self._guard(conn, closing.check_flushed)
        if self.now_s >= self._acceptor.paused_until_s:
            self._acceptor.resume()
        if self.now_s >= self.departure.due_s:
            self.departure.advance(self.now_s)
            self._depart()
        if self.now_s >= self._upkeep.due_s:
            self._upkeep.run(self.now_s)
        elif self._upkeep.asleep:
            self._upkeep.wake(self.now_s)

    def _wait_s(self) -> float:
        """Return how long poll may sleep; -1 is for ever."""
        if self._later or self._handshakes or self.turn.unfinished:
            return 0
        moment_s = min(
            self.deadlines.soonest_s,
            self._checks.soonest_s,
            self._acceptor.paused_until_s,
            self._upkeep.due_s,
            self.departure.due_s,
        )
        return -1 if moment_s == math.inf else max(0.0, moment_s - time.monotonic())

    # The end.

    def _obey(self) -> None:
        """Do as the supervisor says."""
        said = self._orders.take()
        if said is None:
            self._epoll.unregister(self._orders.fileno())
            self.departure.end(self.now_s)
        elif RETIRE in said:
            self.departure.retire(self.now_s)
        elif STOP in said:
            self.departure.stop(self.now_s)
        self._depart()

    def _depart(self) -> None:
        """Do what the stage of the departure demands."""
        departure = self.departure
        self.draining = departure.stage is not Stage.SERVING
        if not departure.accepting:
            self._acceptor.retire()
        if not departure.keeps_idle:
            for conn in [conn for conn in self._connections.values() if conn.state is State.IDLE]:
                self._guard(conn, requests.end_idle)
        if self.now_s >= departure.abort_s:
            self._give_up()

    def _is_done(self) -> bool:
        """Tell whether nothing is left to do for a worker that leaves."""
        if self._connections or not self.departure.accepting:
            return not self._connections
        if self.departure.keeps_idle:
            return False
        # Who is in the kernel's queue by now would be turned away when the last worker's listener closes.
        for listener in self.service.listeners:
            self._accept(listener.fileno())
        return not self._connections

    def _give_up(self) -> None:
        if self._connections:
            logger.warning("%d connections did not end in time and are aborted", len(self._connections))
        for conn in list(self._connections.values()):
            self._guard(conn, closing.abort)
