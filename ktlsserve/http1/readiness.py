"""What a load balancer is told when it asks whether to send requests here."""

from __future__ import annotations

from collections.abc import Callable

from ktlsserve.http1.reply import DEFAULT_SERVER, Reply, ReplyTerms, make_reply
from ktlsserve.http1.request import Request

Answer = Callable[[Request, int], Reply]

_METHODS = frozenset((b"GET", b"HEAD"))
_FIELDS = ((b"Cache-Control", b"no-store"), (b"Content-Type", b"text/plain; charset=utf-8"))


def with_readiness(path: bytes, ready: Callable[[], bool], answer: Answer, server: bytes = DEFAULT_SERVER) -> Answer:
    """Return what answers ``path`` by whether the server is ``ready``, and all else as ``answer`` does.

    It stands before any site, so that it needs no Host that a site knows, and no file. A server that stops says 404
    rather than 503: HAProxy (``http-check disable-on-404``) then sends nothing new and keeps what is under way.
    """

    def answer_all(request: Request, now_s: int) -> Reply:
        if request.target.partition(b"?")[0] != path or request.method not in _METHODS:
            return answer(request, now_s)
        status, text = (200, b"ready\n") if ready() else (404, b"stopping\n")
        return make_reply(status, ReplyTerms.of(request, now_s, server), _FIELDS, (text,))

    return answer_all
