"""What a listener for plain HTTP answers: the same target over HTTPS, and the challenges that certificates hang on.

The host in the redirect is one of the server's own wherever its names are known, and otherwise the one that the client
itself has asked for, which no link can make it do. The target goes behind it, so it can't change the host.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ktlsserve.http1.answer import Site, answer
from ktlsserve.http1.reply import DEFAULT_SERVER, Reply, ReplyTerms, error_reply, make_reply
from ktlsserve.http1.request import BodyKind, Request
from ktlsserve.http1.sites import matching_name, requested_host

CHALLENGE_PREFIX = b"/.well-known/acme-challenge/"
"""Where an ACME server looks for the proof that a name is ours (RFC 8555 section 8.3)."""

_ORIGIN = re.compile(rb"(?i:https?)://[^/?]*")
_TARGET = re.compile(rb"/[!-~]*")
# An absolute-form target may leave the path out.
_TARGET_STARTS = (b"/", b"?", b"")
_HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class HttpsRedirect:
    """Answers with redirects to HTTPS.

    ``host`` (with a port, if it isn't 443) is where all of them lead; where it is empty it is the host of the request,
    with ``port``. ``names`` are those that the host may have then, ``*.`` as in ``Sites``; none: any. A request for
    another is answered with 421. ``challenges`` serves the targets under ``CHALLENGE_PREFIX``.
    """

    host: bytes = b""
    port: int = _HTTPS_PORT
    names: frozenset[bytes] = frozenset()
    status: int = 308
    server: bytes = DEFAULT_SERVER
    challenges: Site | None = None

    def answer(self, request: Request, now_s: int) -> Reply:
        """Return the reply to ``request``, whatever its method; the connection ends after one that had a body."""
        origin = _ORIGIN.sub(b"", request.target, count=1)
        if self.challenges is not None and origin.startswith(CHALLENGE_PREFIX):
            return answer(request, self.challenges, now_s)
        close = request.body.kind is not BodyKind.NONE
        asked = requested_host(request)
        path = origin if origin.startswith(b"/") else b"/" + origin
        if (not self.host and asked is None) or _TARGET.fullmatch(path) is None or origin[:1] not in _TARGET_STARTS:
            # HTTP/1.0 without a Host; "*" and the authority of a CONNECT, which name nothing that HTTPS could serve.
            return error_reply(400, request, now_s, server=self.server, close=close)
        if not self.host and self.names and matching_name(asked or b"", self.names) is None:
            return error_reply(421, request, now_s, server=self.server, close=close)
        terms = ReplyTerms.of(request, now_s, self.server, close=close)
        location = b"https://" + (self.host or self._with_port(asked or b"")) + path
        return make_reply(self.status, terms, ((b"Location", location),))

    def map(self, change: Callable[[Site], Site]) -> HttpsRedirect:
        """Return the same with its site changed."""
        return self if self.challenges is None else replace(self, challenges=change(self.challenges))

    def _with_port(self, host: bytes) -> bytes:
        return host if self.port == _HTTPS_PORT else b"%b:%d" % (host, self.port)
