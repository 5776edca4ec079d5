"""What a finished reply says of itself in the access log."""

from __future__ import annotations

import re
import time

from ktlsserve.observe.access_line import Access
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.worker.connection import Connection

_REFERER = re.compile(rb"\r\nreferer:[ \t]*([^\r]*)", re.IGNORECASE)
_USER_AGENT = re.compile(rb"\r\nuser-agent:[ \t]*([^\r]*)", re.IGNORECASE)


def log_reply(log: AccessLog, conn: Connection, status: int, body_bytes: int, now_s: float) -> None:
    """Write the line of the reply that ``conn`` has just sent.

    A reply to what was no request (a bad head, a head that didn't come) has an empty request line, as nginx writes it.
    """
    head, established = conn.head, conn.established
    tls = None
    if established is not None:
        tls = (established.suite.version.label, established.suite.openssl_name)
    log.write(
        Access(
            client=conn.peer.rpartition(":")[0].strip("[]"),
            request_line=head[: head.find(b"\r\n")] if head else b"",
            status=status,
            body_bytes=body_bytes,
            when_s=time.time(),
            referer=_field(_REFERER, head),
            user_agent=_field(_USER_AGENT, head),
            duration_s=now_s - conn.request_s if head else 0.0,
            tls=tls,
        )
    )
    conn.head = b""


def _field(pattern: re.Pattern[bytes], head: bytes) -> bytes | None:
    found = pattern.search(head)
    return found[1].rstrip(b" \t") if found is not None else None
