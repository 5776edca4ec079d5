"""Basic authentication (RFC 7617), without the slow part.

Theory of operation
-------------------
Comparing a password with its hash is meant to be slow: tens to hundreds of milliseconds, for which an event loop can't
stand still. So a gate only looks up verdicts that were reached before. Where there is none it raises
``VerificationPending``, whose holder has ``attempt.verify`` run elsewhere, gives the verdict to ``attempt.settle``, and
asks for the answer again. A verdict is kept under a keyed hash of the credentials, for a few minutes and for a bounded
number of them: no password is kept, and what is kept is worth nothing without the key, which dies with the process.
Refusals are kept too, so that repeating a wrong password costs nothing.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from ktlsserve.errors import KtlsServeError
from ktlsserve.http1.request import Request

# An hour's work of one browser is a handful of verdicts; a cluster of clients behind one user is one.
_MOST_VERDICTS = 1024
_VERDICT_S = 300
_SCHEME = re.compile(rb"[Bb][Aa][Ss][Ii][Cc] +([A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
# Longer ones are no passwords, but work for the hash.
_LONGEST_BYTES = 1024

Verify = Callable[[bytes, bytes], bool]
"""Tells, slowly, whether a user has a password; it takes as long for a user who doesn't exist."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and a password as a client sent them."""

    user: bytes
    password: bytes = field(repr=False)


class Verdict(Enum):
    """What is known of a request's credentials."""

    GRANTED = "granted"
    REFUSED = "refused"


class VerificationPending(KtlsServeError):
    """A request can't be answered before ``attempt`` is settled: verify it, settle it, and ask again."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        super().__init__("credentials await their verification")


def parse_basic(value: bytes | None) -> Credentials | None:
    """Return the credentials in an Authorization field; None for another scheme and for what is malformed."""
    match = _SCHEME.fullmatch(value or b"")
    if match is None:
        return None
    try:
        text = b64decode(match[1], validate=True)
    except Base64Error:
        return None
    user, colon, password = text.partition(b":")
    if not colon or len(text) > _LONGEST_BYTES or _CONTROL.search(text) is not None:
        # Neither part may hold control characters (section 2).
        return None
    return Credentials(user, password)


class VerdictCache:
    """Verdicts reached before, by a hash of the credentials under ``key`` (random bytes of this process's own)."""

    __slots__ = ("_key", "_most", "_verdicts")

    def __init__(self, key: bytes, most: int = _MOST_VERDICTS) -> None:
        self._key = key
        self._most = most
        self._verdicts: dict[bytes, tuple[Verdict, int]] = {}

    def find(self, credentials: Credentials, now_s: int) -> Verdict | None:
        """Return the verdict on ``credentials`` that still holds at ``now_s``."""
        verdict, until_s = self._verdicts.get(self._digest(credentials), (None, 0))
        return verdict if now_s < until_s else None

    def enter(self, credentials: Credentials, verdict: Verdict, now_s: int) -> None:
        """Keep a verdict; the one that was entered longest ago makes room."""
        digest = self._digest(credentials)
        self._verdicts.pop(digest, None)
        while len(self._verdicts) >= self._most:
            del self._verdicts[next(iter(self._verdicts))]
        self._verdicts[digest] = verdict, now_s + _VERDICT_S

    def __len__(self) -> int:
        return len(self._verdicts)

    def _digest(self, credentials: Credentials) -> bytes:
        # The length first: otherwise "ab" with "c" would be "a" with "bc".
        message = b"%d:%b%b" % (len(credentials.user), credentials.user, credentials.password)
        return hmac.digest(self._key, message, "sha256")


class Gate:
    """Lets those in whose password ``verify`` knows; ``realm`` is what browsers show, quotable as it is."""

    __slots__ = ("_verdicts", "_verify", "challenge")

    def __init__(self, realm: bytes, verify: Verify, key: bytes) -> None:
        self.challenge = (b"WWW-Authenticate", b'Basic realm="%b", charset="UTF-8"' % realm)
        self._verify = verify
        self._verdicts = VerdictCache(key)

    def admits(self, request: Request, now_s: int) -> bool:
        """Tell whether ``request`` comes from a user; raise VerificationPending where that isn't known yet."""
        credentials = parse_basic(request.header(b"authorization"))
        if credentials is None:
            return False
        verdict = self._verdicts.find(credentials, now_s)
        if verdict is None:
            raise VerificationPending(Attempt(self, credentials))
        return verdict is Verdict.GRANTED

    def verify(self, credentials: Credentials) -> Verdict:
        """Reach a verdict; slow, and safe to be run by another thread."""
        return Verdict.GRANTED if self._verify(credentials.user, credentials.password) else Verdict.REFUSED

    def settle(self, credentials: Credentials, verdict: Verdict, now_s: int) -> None:
        """Keep a verdict, so that ``admits`` knows it."""
        self._verdicts.enter(credentials, verdict, now_s)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Credentials on which ``gate`` has no verdict yet; two of one gate with the same credentials are equal."""

    gate: Gate
    credentials: Credentials

    def verify(self) -> Verdict:
        """Reach a verdict; slow, and safe to be run by another thread."""
        return self.gate.verify(self.credentials)

    def settle(self, verdict: Verdict, now_s: int) -> None:
        """Have the gate keep the verdict."""
        self.gate.settle(self.credentials, verdict, now_s)
