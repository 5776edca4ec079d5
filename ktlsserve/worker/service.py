"""What a generation of workers serves, made once in the supervisor and shared by fork."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from ktlsserve.config import Files, Limits, Timeouts
from ktlsserve.files.root import Root
from ktlsserve.http1.https_redirect import HttpsRedirect
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import HeadLimits, Request
from ktlsserve.http1.sites import Sites
from ktlsserve.networks import Networks
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.observe.counters import Counters
from ktlsserve.tls.context import ServerContext
from ktlsserve.worker.confinement import Confinement
from ktlsserve.worker.handover import HandoverPlan


@dataclass(frozen=True, slots=True)
class TlsService:
    """How connections are encrypted: OpenSSL's context, the kernel's part, and the bound on a handshake."""

    context: ServerContext
    plan: HandoverPlan
    max_handshake_bytes: int
    handshakes_in_progress: int


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that a worker serves with; it never changes in a worker's life.

    ``tls`` is None for plain HTTP, ``access_log`` None where there is none. ``listeners`` are bound and listening;
    what comes in on those of ``redirect_listeners`` is plain HTTP, and answered by ``redirect``. ``roots`` are the
    folders that ``sites`` and ``redirect`` open files in. Connections from ``proxy_sources`` begin with a PROXY header;
    what proxies in ``forwarded_from`` say in X-Forwarded-For is believed. None: there are no such. ``confinement`` is
    what a worker gives up before it serves. ``counters`` says where what is counted. ``answer``, where it is set,
    answers in the place of the sites, and is asked each time.
    """

    listeners: tuple[socket.socket, ...]
    sites: Sites
    tls: TlsService | None
    head_limits: HeadLimits
    timeouts: Timeouts
    limits: Limits
    files: Files
    drain_s: float
    access_log: AccessLog | None
    roots: tuple[Root, ...]
    redirect_listeners: tuple[socket.socket, ...] = ()
    redirect: HttpsRedirect | None = None
    drain_pause_s: float = 0.0
    ready_path: bytes = b""
    proxy_sources: Networks | None = None
    forwarded_from: Networks | None = None
    confinement: Confinement = field(default_factory=Confinement)
    counters: Counters = field(default_factory=Counters)
    answer: Callable[[Request, int], Reply] | None = None

    def close(self) -> None:
        """Give this process's descriptors back, except the listeners; the workers have their own."""
        for root in self.roots:
            root.close()
        if self.access_log is not None:
            self.access_log.close()
