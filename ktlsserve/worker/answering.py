"""Answering a request, or having it wait for what a thread must find out first.

A request waits for the verdict on its credentials, without which there is no answer; and for the entity-tag of its
file, without which there is one that is less good. For the latter it waits once: a file that changes all the time has
no entity-tag for as long as it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktlsserve.errors import KtlsServeError
from ktlsserve.http1.auth import VerificationPending
from ktlsserve.http1.reply import Reply, error_reply
from ktlsserve.http1.request import Request
from ktlsserve.worker.connection import Connection

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker


class EtagPending(KtlsServeError):
    """A request is answered as soon as its file's entity-tag is known."""


def answer_request(worker: Worker, conn: Connection, request: Request, head: bytes) -> Reply:
    """Answer the request of ``head``; raise VerificationPending or EtagPending where it waits, to be called again."""
    limits = worker.client_limits
    if limits is not None and (wait_s := limits.wait_s(conn, head, worker.now_s)):
        limits.refuse_request(conn, head, worker.now_s)
        # RFC 6585 section 4.
        fields = ((b"Retry-After", b"%d" % wait_s),)
        return error_reply(429, request, worker.clock_s, server=worker.sites.default.server, fields=fields)
    try:
        reply = conn.front.answer(request, worker.clock_s)
    except VerificationPending as pending:
        if worker.verifier.submit(pending.attempt, conn):
            raise
        return error_reply(503, request, worker.clock_s, server=worker.sites.default.server, close=True)
    if reply.errand is not None and _waits_for_etag(worker, conn, reply):
        reply.release()
        raise EtagPending("a reply awaits its entity-tag")
    conn.has_waited = False
    return reply


def _waits_for_etag(worker: Worker, conn: Connection, reply: Reply) -> bool:
    """Have the entity-tag made that ``reply`` lacks; return whether the request is to wait for it."""
    if worker.hashing is None or reply.errand is None:
        raise RuntimeError("only sites that want it have entity-tags made of content")
    if not worker.hashing.submit(reply.errand, conn) or conn.has_waited:
        return False
    conn.has_waited = True
    return True
