"""What lines of the access log say of a connection."""

from __future__ import annotations

from ktlsserve.http1.forwarded import forwarded_client
from ktlsserve.networks import IpAddress, Networks
from ktlsserve.observe.access_line import Client
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.worker.accepting import address_of
from ktlsserve.worker.connection import Connection


def write_client(log: AccessLog, conn: Connection, forwarded_from: Networks | None) -> bytes:
    """Return what the line of the request in ``conn.head`` says of its client.

    It is kept for further lines, except on the connection of a proxy in ``forwarded_from``: that one serves many.
    """
    if forwarded_from is not None and address_of(conn.peer) in forwarded_from:
        return log.write_client(describe_client(conn, forwarded_client(conn.head, forwarded_from)))
    written = conn.logged_client = log.write_client(describe_client(conn))
    return written


def describe_client(conn: Connection, forwarded: IpAddress | None = None) -> Client:
    """Return what lines say of the connection; ``forwarded`` is the address of a client beyond the peer."""
    address = conn.peer.rpartition(":")[0].strip("[]") if forwarded is None else str(forwarded)
    established = conn.established
    if established is None:
        return Client(address)
    return Client(
        address,
        tls_version=established.suite.version.label,
        tls_cipher=established.suite.openssl_name,
        tls_path="kernel" if conn.kernel_sends else "userspace",
        tls_resumed=established.resumed,
        tls_handshake_s=conn.handshake_s,
        tls_subject=established.client.subject if established.client is not None else None,
    )
