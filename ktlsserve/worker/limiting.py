"""What one client may take: connections with all workers, requests each second, requests on a connection.

A worker has ``ClientLimits`` only where one of the limits is set. Connections are asked about when they are accepted,
before anything is spent on them; requests when their head is complete. For the way of nearly every request, whose reply
is known, ``answer_known`` takes the place of ``known.answer_from_memo`` in a worker that limits requests, so that
the others have nothing to ask.

The client is whom the PROXY header names, where there must be one, or else X-Forwarded-For, where a proxy is believed:
such a proxy's connections are its own affair, and are not counted.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ktlsserve.clients.client import Client, client_of, describe
from ktlsserve.clients.tables import ClientTables, SharedTables
from ktlsserve.config import Limits
from ktlsserve.http1.forwarded import forwarded_client
from ktlsserve.networks import Networks
from ktlsserve.observe.repeats import Repeats
from ktlsserve.worker.accepting import address_of
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.known import answer_from_memo
from ktlsserve.worker.requests import HEAD_END
from ktlsserve.worker.service import Service

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker

logger = logging.getLogger(__name__)


class ClientLimits:
    """Asks and tells the shared tables about the clients of one worker; counts whom it had to refuse."""

    def __init__(self, limits: Limits, tables: ClientTables, forwarded_from: Networks | None = None) -> None:
        self._counts = tables.connections
        self._rates = tables.rates
        self._forwarded_from = forwarded_from
        self._most_connections = limits.connections_per_client
        self._most_requests = limits.requests_per_connection
        self.limits_requests = bool(self._most_requests or self._rates)
        self.refused_connections = Repeats(
            logger, f"connection refused: the client has {self._most_connections} (limits.connections_per_client)"
        )
        self.refused_requests = Repeats(
            logger,
            f"request answered 429: the client makes more than {limits.requests_per_second} a second "
            "(limits.requests_per_second)",
        )

    def admit(self, conn: Connection, now_s: float) -> bool:
        """Note whose connection it is, and count it; tell whether the client may have it.

        The connection of a proxy that is believed is nobody's: each of its requests says whom it is from.
        """
        address = address_of(conn.peer)
        if self._forwarded_from is not None and address in self._forwarded_from:
            conn.forwards = True
            return True
        client = client_of(address)
        if self._counts is not None:
            if self._counts.count(client) >= self._most_connections:
                self.refused_connections.note(describe(client), now_s)
                return False
            self._counts.add(client)
        conn.client = client
        return True

    def connection_ended(self, conn: Connection) -> None:
        """Count a connection less, if it was counted."""
        if conn.client is not None and self._counts is not None:
            self._counts.remove(conn.client)

    def is_last(self, conn: Connection) -> bool:
        """Tell whether the connection may have no further request after the one at hand."""
        return 0 < self._most_requests <= conn.requests + 1

    def wait_s(self, conn: Connection, head: bytes, now_s: float) -> int:
        """Return 0 where the client may make the request of ``head``, or else in how many seconds it may.

        A request that is let through is asked about any number of times until it is answered (``answered``).
        """
        if conn.admitted or self._rates is None:
            return 0
        client = self._client(conn, head)
        wait_s = self._rates.take(client, now_s) if client is not None else 0
        conn.admitted = not wait_s
        return wait_s

    def refuse_request(self, conn: Connection, head: bytes, now_s: float) -> None:
        """Count a request that was made too soon."""
        client = self._client(conn, head)
        self.refused_requests.note(describe(client) if client is not None else conn.peer, now_s)

    def answered(self, conn: Connection) -> None:
        """Turn to the next request of a connection."""
        conn.requests += 1
        conn.admitted = False

    def _client(self, conn: Connection, head: bytes) -> Client | None:
        """Return whose request it is; None where nobody says so: a load balancer's own, to see whether we are well."""
        if not conn.forwards or self._forwarded_from is None:
            return conn.client
        address = forwarded_client(head, self._forwarded_from)
        return client_of(address) if address is not None else None


def limits_of_clients(service: Service, tables: ClientTables | None) -> ClientLimits | None:
    """Return the limits of a worker's clients, None where there are none; without ``tables`` it is the only worker."""
    limits = service.limits
    if not (limits.connections_per_client or limits.requests_per_connection or limits.requests_per_second):
        return None
    return ClientLimits(limits, tables or SharedTables(limits, 1).of_worker(0), service.forwarded_from)


def answer_known(worker: Worker, conn: Connection, data: bytes) -> bool:
    """Do what ``answer_from_memo`` does for a request within the limits; what else there is, is for the long way."""
    limits = worker.client_limits
    if limits is None or not data.endswith(HEAD_END) or data.find(HEAD_END) != len(data) - len(HEAD_END):
        return False
    if limits.is_last(conn) or limits.wait_s(conn, data, worker.now_s) or not answer_from_memo(worker, conn, data):
        return False
    limits.answered(conn)
    return True
