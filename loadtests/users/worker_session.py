"""What a worker of a distributed run does with what its users have done; see ``session``."""

from __future__ import annotations

from typing import Any

from locust.env import Environment
from locust.runners import STATE_INIT, STATE_STOPPED, WorkerRunner

from loadtests.users.plan import Plan
from loadtests.users.session import FINISH, FINISHED, REPORT, RESTS, Session


class WorkerSession(Session):
    """A worker: sends what it has counted."""

    def __init__(self, environment: Environment, plan: Plan, runner: WorkerRunner) -> None:
        super().__init__(environment, plan)
        self._runner = runner
        environment.events.report_to_master.add_listener(self._on_report)
        environment.events.quitting.add_listener(self._on_quitting)
        self._runner.register_message(FINISH, self._on_finish, concurrent=True)

    def user_rests(self) -> None:
        """Tell the master."""
        self._runner.send_message(RESTS)

    def _on_report(self, data: dict[str, Any], **_rest: object) -> None:
        data[REPORT] = {"tally": self.tally.pack(), "fingerprint": self.plan.fingerprint}
        self.tally.clear()

    def _on_finish(self, **_rest: object) -> None:
        self._runner.stop()
        data: dict[str, Any] = {}
        self.environment.events.report_to_master.fire(client_id=self._runner.client_id, data=data)
        self._runner.send_message("stats", data)
        self._runner.send_message(FINISHED)

    def _on_quitting(self, **_rest: object) -> None:
        """Ended by a signal: what has been counted isn't lost."""
        if self._runner.state not in (STATE_INIT, STATE_STOPPED):
            self._on_finish()
