"""Cross-origin resource sharing, as the Fetch standard has it (section 3.2, "CORS protocol").

Nothing here allows credentials, so the wildcards mean what they say, and nothing that a client sent is sent back except
an origin that the operator named.
"""

from __future__ import annotations

from dataclasses import dataclass

from ktlsserve.http1.reply import Fields
from ktlsserve.http1.request import Request

ANY_ORIGIN = b"*"

# Chromium keeps the answer to a preflight for two hours at most.
_PREFLIGHT: Fields = (
    (b"Access-Control-Allow-Methods", b"GET, HEAD"),
    # The wildcard stands for every field but Authorization.
    (b"Access-Control-Allow-Headers", b"*, Authorization"),
    (b"Access-Control-Max-Age", b"7200"),
)
# Without it scripts don't see ETag, Content-Range and the like.
_EXPOSED = (b"Access-Control-Expose-Headers", b"*")


@dataclass(frozen=True, slots=True)
class Cors:
    """The origins (``https://app.example``) whose scripts may read; ``ANY_ORIGIN`` among them is everybody."""

    origins: frozenset[bytes]

    def fields(self, request: Request) -> Fields:
        """Return what each reply to ``request`` says.

        Where the reply differs between origins it says so to caches, also to a request without an origin.
        """
        if ANY_ORIGIN in self.origins:
            return ((b"Access-Control-Allow-Origin", ANY_ORIGIN), _EXPOSED)
        origin = request.header(b"origin")
        vary = (b"Vary", b"Origin")
        if origin not in self.origins or origin is None:
            return (vary,)
        return (vary, (b"Access-Control-Allow-Origin", origin), _EXPOSED)

    def preflight_fields(self, request: Request) -> Fields:
        """Return what the reply to a preflight adds: nothing where it is none, or its origin isn't allowed."""
        origin = request.header(b"origin")
        if origin is None or request.header(b"access-control-request-method") is None:
            return ()
        return _PREFLIGHT if ANY_ORIGIN in self.origins or origin in self.origins else ()
