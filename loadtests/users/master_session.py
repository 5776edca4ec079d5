"""What the master of a distributed run does with the reports of its workers; see ``session``."""

from __future__ import annotations

import argparse
import logging
import time
from typing import Any

from gevent.event import Event
from locust.env import Environment
from locust.rpc import Message
from locust.runners import STATE_MISSING, MasterRunner

from loadtests.users.judging_session import JudgingSession
from loadtests.users.plan import Plan
from loadtests.users.session import FINISH, FINISHED, REPORT, RESTS
from loadtests.users.tally import unpack_tally

# Beside the time that users have for their last requests (--stop-timeout).
_LAST_REPORT_S = 15.0

logger = logging.getLogger("loadtests")


class MasterSession(JudgingSession):
    """The master: adds up what its workers have counted."""

    def __init__(self, environment: Environment, plan: Plan, runner: MasterRunner, options: argparse.Namespace) -> None:
        super().__init__(environment, plan, runner, options)
        self._master = runner
        self._took_part: set[str] = set()
        self._finished: set[str] = set()
        self._news = Event()
        environment.events.worker_report.add_listener(self._on_worker_report)
        self._master.register_message(FINISHED, self._on_finished)
        self._master.register_message(RESTS, self._on_rests)

    def on_start(self, **_rest: object) -> None:
        """Begin anew."""
        super().on_start()
        self._took_part.clear()
        self._finished.clear()

    def processes(self) -> int:
        """Return from how many workers there are figures."""
        return len(self._took_part)

    def gather(self) -> None:
        """Have all workers stop their users, and wait for their last reports."""
        for worker in self._workers():
            self._master.send_message(FINISH, client_id=worker)
        give_up_s = time.monotonic() + _LAST_REPORT_S + (self.environment.stop_timeout or 0.0)
        while (waited_for := self._workers() - self._finished) and time.monotonic() < give_up_s:
            self._news.clear()
            self._news.wait(0.5)
        lost = waited_for | {client.id for client in self._master.clients.all if client.state == STATE_MISSING}
        lost |= self._took_part - self._finished
        self.trouble += [f"worker {name} is lost, and its last figures with it" for name in sorted(lost)]

    def _workers(self) -> set[str]:
        """Return the workers that are there."""
        return {client.id for client in self._master.clients.all if client.state != STATE_MISSING}

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_rest: object) -> None:
        report = data.get(REPORT)
        if report is None:
            return
        if report["fingerprint"] != self.plan.fingerprint:
            self._complain(f"worker {client_id} has another scenario or manifest than the master")
        tally = unpack_tally(report["tally"])
        if tally.rows:
            self._took_part.add(client_id)
        self.tally.merge(tally)

    def _on_finished(self, msg: Message, **_rest: object) -> None:
        self._finished.add(msg.node_id)
        self._news.set()

    def _on_rests(self, **_rest: object) -> None:
        self.user_rests()

    def _complain(self, sentence: str) -> None:
        if sentence not in self.trouble:
            self.trouble.append(sentence)
            logger.error(sentence)
