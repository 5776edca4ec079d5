"""The users as Locust knows them: a class for each protocol, with the same client, the same turns, the same checks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import count
from random import Random
from typing import ClassVar

from locust import User, task
from locust.env import Environment

from loadtests.users.browsing import Visitor
from loadtests.users.plan import Plan
from loadtests.users.tally import HANDSHAKE
from loadtests.users.transfer import HTTP_1_1, HTTP_3_ONLY, Outcome, Target

_FOR_EVER_S = 1e9

logger = logging.getLogger("loadtests")


class WrongAnswer(Exception):
    """What Locust counts as a failure; the text says what was wrong."""


class BrowsingUser(User):
    """Takes turns until it is stopped, or has had all of ``Plan.turns``: it rests then, and is still there.

    Had it ended, a distributed Locust would start another in its place.
    """

    abstract = True
    version: ClassVar[int]
    protocol: ClassVar[str]
    plan: ClassVar[Plan]
    # Called when a user has had all its turns.
    rests: ClassVar[Callable[[], None]]
    _numbers: ClassVar[count[int]] = count()

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._turns_left = self.plan.turns or -1
        self._pause_s: float | None = None
        self._visitor: Visitor | None = None

    def on_start(self) -> None:
        """Choose where to connect and where to start in the sequence of chance."""
        host = (self.host or "").rstrip("/")
        if not host.startswith("https://"):
            # Typed into the web interface; an exception here would show a traceback.
            logger.error("the host must be a URL such as https://127.0.0.1:8443, not %s", host or "empty")
            return
        plan = self.plan
        worker = getattr(self.environment.runner, "worker_index", 0)
        self._visitor = Visitor(
            Target(host, self.version, self.protocol, plan.ca, plan.scenario.users.timeout_s, plan.connect_to),
            plan.mix,
            plan.scenario.users,
            Random(f"{plan.scenario.seed} {worker} {next(self._numbers)}"),  # noqa: S311 - chooses files, no secrets
            self._report,
        )

    def on_stop(self) -> None:
        """Close the connections."""
        if self._visitor is not None:
            self._visitor.close()

    @task
    def turn(self) -> None:
        """Take a turn, and decide how long to wait after it."""
        visitor = self._visitor
        if visitor is None:
            self._rest()
            return
        held = False
        try:
            held = visitor.take_turn()
        finally:
            # Also after a bug: the run shall end.
            self._pause_s = visitor.think_s() if held else self.plan.scenario.users.pause_after_error_s
            self._turns_left -= 1
            if self._turns_left == 0:
                self._rest()

    def _rest(self) -> None:
        """Do nothing more; with ``Plan.turns`` the run ends when all rest."""
        self._pause_s = _FOR_EVER_S
        if self.plan.turns:
            type(self).rests()

    def wait_time(self) -> float:
        """Return how long to wait."""
        return self._pause_s or 0.0

    def _report(self, outcome: Outcome) -> None:
        """Tell Locust of a request, and of the handshake that it made."""
        if outcome.handshake_ms:
            if outcome.connect_ms:
                self._fire(HANDSHAKE, "TCP", outcome.connect_ms)
            self._fire(HANDSHAKE, "QUIC" if self.version == HTTP_3_ONLY else "TCP + TLS", outcome.handshake_ms)
        self._fire(
            "GET",
            outcome.get.name,
            outcome.time_ms,
            length_bytes=outcome.length_bytes,
            error=outcome.error,
            protocol=outcome.protocol,
        )

    def _fire(
        self, kind: str, name: str, time_ms: float, *, length_bytes: int = 0, error: str = "", protocol: str = ""
    ) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=time_ms,
            response_length=length_bytes,
            exception=WrongAnswer(error) if error else None,
            context={"protocol": protocol},
        )


class HttpsUser(BrowsingUser):
    """A visitor over TLS and HTTP/1.1."""

    version = HTTP_1_1
    protocol = "HTTP/1.1"


class Http3User(BrowsingUser):
    """A visitor over QUIC and HTTP/3, and over nothing else."""

    version = HTTP_3_ONLY
    protocol = "HTTP/3"
