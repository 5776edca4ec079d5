"""The end of a run: the figures are judged and written, and the exit status is set; see ``session``."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_INIT, STATE_STOPPED, STATE_STOPPING, Runner

from loadtests.users.plan import Plan
from loadtests.users.results import Run, results, write_results
from loadtests.users.server_cpu import ServerCpu
from loadtests.users.session import Session
from loadtests.users.thresholds import exceeded

logger = logging.getLogger("loadtests")


class JudgingSession(Session):
    """A process without a master over it: has all figures in the end, and judges them."""

    def __init__(self, environment: Environment, plan: Plan, runner: Runner, options: argparse.Namespace) -> None:
        super().__init__(environment, plan)
        self._runner = runner
        self._headless: bool = options.headless
        self._results_file = Path(options.results) if options.results else None
        self._thresholds_given = bool(options.thresholds)
        self._status_of_failures: int = options.exit_code_on_error
        self._cpu = ServerCpu(options.server_pid)
        self.trouble: list[str] = []
        self._resting = 0
        self._begin_s = self._end_s = time.monotonic()
        self._red = False
        environment.events.test_stopping.add_listener(self._on_stopping)
        environment.events.test_stop.add_listener(self._on_stop)
        environment.events.quitting.add_listener(self._on_quitting)

    def on_start(self, **_rest: object) -> None:
        """Begin anew."""
        super().on_start()
        self.trouble.clear()
        self._resting = 0
        self._cpu.begin()
        self._begin_s = time.monotonic()

    def user_rests(self) -> None:
        """End the run when this was the last user that had turns left."""
        self._resting += 1
        if self._resting == self._runner.target_user_count:
            logger.info("all users have had their turns")
            # Not here: the user that tells it is one of those that this ends.
            gevent.spawn(self._runner.quit if self._headless else self._runner.stop)

    def processes(self) -> int:
        """Return in how many processes users are."""
        return 1

    def gather(self) -> None:
        """Get all that has been counted elsewhere."""

    def _on_stopping(self, **_rest: object) -> None:
        self._end_s = time.monotonic()
        self._cpu.end()
        self.gather()

    def _on_stop(self, **_rest: object) -> None:
        for exception in self._runner.exceptions.values():
            self.trouble.append(f"users ended by a bug, {exception['count']} times: {exception['msg']}")
        self.trouble += self._cpu.trouble
        run = Run(self._end_s - self._begin_s, self.processes(), self._cpu.cpu_s, tuple(self.trouble))
        found = results(self.tally, run)
        if self._results_file is not None:
            write_results(found, self._results_file)
        self._judge(found)

    def _judge(self, found: Mapping[str, Any]) -> None:
        sentences = exceeded(self.plan.thresholds, found)
        for error in found["errors"][:10]:
            logger.error("%s, %d times: %s", error["name"], error["occurrences"], error["error"])
        for sentence in sentences:
            logger.error("not good enough: %s", sentence)
        if not sentences:
            logger.info("%d requests, %d failures: good enough", found["requests"], found["failures"])
        # In the web interface there may be several runs: one that is red is not made good by another.
        self._red = self._red or bool(sentences)
        status = 1 if self._thresholds_given or self.trouble else self._status_of_failures
        self.environment.process_exit_code = status if self._red else 0

    def _on_quitting(self, **_rest: object) -> None:
        """Ended by a signal amid a run: what there is counts."""
        if self._runner.state not in (STATE_INIT, STATE_STOPPED, STATE_STOPPING):
            self._runner.quit()
