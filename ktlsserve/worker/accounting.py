"""What a finished reply says of itself in the access log."""

from __future__ import annotations

import time

from ktlsserve.observe.access_line import Access
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.worker.connection import Connection


def log_reply(log: AccessLog, conn: Connection, sent_bytes: int, now_s: float) -> None:
    """Write the line of the reply that ``conn`` has just sent: ``sent_bytes`` in all, its head included.

    A reply to what was no request (a bad head, a head that didn't come) has an empty request line, as nginx writes it.
    """
    reply, request, established = conn.reply, conn.request, conn.established
    if reply is None:
        return
    line, referer, user_agent, began_s = b"", None, None, now_s
    if request is not None:
        line = b"%b %b HTTP/%b" % (request.method, request.target, request.http_version)
        referer, user_agent, began_s = request.header(b"referer"), request.header(b"user-agent"), conn.request_s
    tls = None
    if established is not None:
        tls = (established.suite.version.label, established.suite.openssl_name)
    log.write(
        Access(
            client=conn.peer.rpartition(":")[0].strip("[]"),
            request_line=line,
            status=reply.status,
            body_bytes=max(0, sent_bytes - len(reply.head)),
            when_s=time.time(),
            referer=referer,
            user_agent=user_agent,
            duration_s=now_s - began_s,
            tls=tls,
        )
    )
    conn.request = None
