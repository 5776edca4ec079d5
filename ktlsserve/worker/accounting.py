"""What lines of the access log say of a connection."""

from __future__ import annotations

from ktlsserve.observe.access_line import Client
from ktlsserve.worker.connection import Connection


def describe_client(conn: Connection) -> Client:
    """Return what lines say of the connection, which stays the same from its first reply on."""
    address = conn.peer.rpartition(":")[0].strip("[]")
    if conn.established is None:
        return Client(address)
    suite = conn.established.suite
    return Client(address, suite.version.label, suite.openssl_name)
