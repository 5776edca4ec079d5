"""What a finished reply says of itself in the access log."""

from __future__ import annotations

from ktlsserve.observe.access_line import Client
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.worker.connection import Connection


def log_reply(log: AccessLog, conn: Connection, status: int, body_bytes: int, when_s: float, now_s: float) -> None:
    """Write the line of the reply that ``conn`` has just sent, at ``when_s`` of the clock and ``now_s`` monotonic.

    A reply to what was no request (a bad head, a head that didn't come) has an empty request line, as nginx writes it.
    """
    client = conn.logged_client
    if client is None:
        client = conn.logged_client = log.write_client(_client(conn))
    head = conn.head
    log.write(client, head, status, body_bytes, when_s, now_s - conn.request_s if head else 0.0)
    conn.head = b""


def _client(conn: Connection) -> Client:
    address = conn.peer.rpartition(":")[0].strip("[]")
    if conn.established is None:
        return Client(address)
    suite = conn.established.suite
    return Client(address, suite.version.label, suite.openssl_name)
