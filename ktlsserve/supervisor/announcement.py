"""The lines on standard output that say where the server listens."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from ktlsserve.config import Config
from ktlsserve.supervisor.generation import Generation
from ktlsserve.supervisor.listeners import Listener

logger = logging.getLogger(__name__)


class Announcement:
    """Says each address once, as long as it is listened on."""

    def __init__(self) -> None:
        self._announced: set[str] = set()

    def announce(
        self, config: Config, generation: Generation, listeners: Sequence[Listener], admin: Sequence[Listener] = ()
    ) -> None:
        """Print a line for each of ``listeners`` that is new, and of those of the ``admin`` endpoint."""
        tls = generation.service.tls
        scheme = "http" if tls is None else "https"
        label = "off" if tls is None else tls.plan.label
        served = f"root={config.roots()[0]}"
        for listener in listeners:
            if listener.bound in self._announced:
                continue
            if listener.sock in generation.service.redirect_listeners:
                _say(f"listening on http://{listener.bound} tls=off workers={generation.wanted} redirect=https")
            else:
                _say(f"listening on {scheme}://{listener.bound} tls={label} workers={generation.wanted} {served}")
        for listener in admin:
            if listener.bound not in self._announced:
                _say(f"listening on http://{listener.bound} tls=off admin")
        self._announced = {listener.bound for listener in (*listeners, *admin)}


def _say(line: str) -> None:
    """Print a line for whoever started the server; that nobody reads it any more is no reason to stop."""
    try:
        print(line, flush=True)
    except OSError as error:
        logger.info("%s (standard output: %s)", line, error.strerror)
