"""What the admin listeners answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ktlsserve.admin.exposition import exposition
from ktlsserve.admin.facts import Facts
from ktlsserve.admin.health import health, readiness
from ktlsserve.admin.page import CONTENT_SECURITY_POLICY, page
from ktlsserve.admin.rates import Pace
from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.admin.status import status
from ktlsserve.http1.reply import DEFAULT_SERVER, Fields, Reply, ReplyTerms, error_reply, make_reply
from ktlsserve.http1.request import Request
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.tls_stat import read_tls_stat
from ktlsserve.observe.board import Ledger
from ktlsserve.observe.server_state import StatePage

METHODS = (b"GET", b"HEAD")

# Moments, not documents; and no page elsewhere may read them or show them in a frame of its own.
_COMMON: Fields = (
    (b"Cache-Control", b"no-store"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)
_TEXT = b"text/plain; charset=utf-8"


@dataclass(slots=True)
class Endpoint:
    """Answers requests from what is in shared memory; ``clock`` is monotonic, in seconds."""

    ledger: Ledger
    state_page: StatePage
    facts: Facts
    machine: Machine
    clock: Callable[[], float]
    server: bytes = DEFAULT_SERVER
    pace: Pace = field(default_factory=Pace)

    def answer(self, request: Request, now_s: int) -> Reply:
        """Return the reply to ``request`` at ``now_s`` (seconds since the epoch)."""
        make = _PATHS.get(request.target.partition(b"?")[0])
        if make is None:
            return error_reply(404, request, now_s, server=self.server)
        if request.method not in METHODS:
            return error_reply(405, request, now_s, server=self.server, fields=((b"Allow", b", ".join(METHODS)),))
        code, content_type, text, fields = make(self.snapshot(now_s), request)
        fields = ((b"Content-Type", content_type), *_COMMON, *fields)
        return make_reply(code, ReplyTerms.of(request, now_s, self.server), fields, (text,))

    def snapshot(self, when_s: float) -> Snapshot:
        """Return how things stand."""
        now_s = self.clock()
        written = self.state_page.read()
        counts = self.ledger.totals()
        return Snapshot(
            when_s=when_s,
            facts=self.facts,
            state=written[0] if written is not None else None,
            silence_s=now_s - written[1] if written is not None else 0.0,
            counts=counts,
            kernel=self._kernel_counters(),
            rates=self.pace.look(counts, now_s),
        )

    def _kernel_counters(self) -> dict[str, int] | None:
        try:
            return read_tls_stat(self.machine)
        except OSError:
            # A /proc that doesn't tell.
            return None


_Made = tuple[int, bytes, bytes, Fields]


def _healthz(snapshot: Snapshot, _request: Request) -> _Made:
    code, text = health(snapshot)
    return code, _TEXT, text, ()


def _readyz(snapshot: Snapshot, _request: Request) -> _Made:
    code, text = readiness(snapshot)
    return code, _TEXT, text, ()


def _metrics(snapshot: Snapshot, request: Request) -> _Made:
    content_type, text = exposition(snapshot, (request.header(b"accept") or b"").decode("latin-1"))
    return 200, content_type, text, ()


def _status(snapshot: Snapshot, _request: Request) -> _Made:
    return 200, b"application/json", status(snapshot), ()


def _page(snapshot: Snapshot, _request: Request) -> _Made:
    policy = ((b"Content-Security-Policy", CONTENT_SECURITY_POLICY), (b"Referrer-Policy", b"no-referrer"))
    return 200, b"text/html; charset=utf-8", page(snapshot), policy


_PATHS: dict[bytes, Callable[[Snapshot, Request], _Made]] = {
    b"/": _page,
    b"/healthz": _healthz,
    b"/readyz": _readyz,
    b"/metrics": _metrics,
    b"/status": _status,
}
