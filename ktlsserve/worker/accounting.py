"""What lines of the access log say of a connection."""

from __future__ import annotations

from ktlsserve.http1.forwarded import forwarded_client
from ktlsserve.networks import Networks
from ktlsserve.observe.access_line import Client
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.worker.accepting import address_of, host_of
from ktlsserve.worker.connection import Connection


def write_client(log: AccessLog, conn: Connection, forwarded_from: Networks | None) -> bytes:
    """Return what the line of the request in ``conn.head`` says of its client.

    It is kept for further lines, except on the connection of a proxy in ``forwarded_from``: that one serves many, so
    only what is said of itself is kept.
    """
    own = conn.logged_proxy
    if own is None:
        own = (
            log.write_plain_client(host_of(conn.peer))
            if conn.established is None
            else log.write_client(describe_client(conn))
        )
        if forwarded_from is None or address_of(conn.peer) not in forwarded_from:
            conn.logged_client = own
            return own
        conn.logged_proxy = own
    address = forwarded_client(conn.head, forwarded_from) if forwarded_from is not None else None
    return own if address is None else log.rename_client(own, address)


def describe_client(conn: Connection) -> Client:
    """Return what lines say of the connection, which stays the same from its first reply on."""
    address = host_of(conn.peer)
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
