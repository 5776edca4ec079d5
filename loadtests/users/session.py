"""A run from its start to its results: what Locust tells of it is counted, gathered, judged and written.

Theory of operation
-------------------
A process is alone, or the master, or one of its workers. Users are where there is no master; what they do is counted
where they are. Workers send what they have counted with each of Locust's own reports, and the master adds it up.

Locust's master waits half a second for the last reports of its workers, and does without those that come later. Here
the master asks for them (``FINISH``) while its listener still runs: a worker stops its users, sends its last report and
says that this was it (``FINISHED``). Messages of a worker arrive in their order. So the sums are those of all workers,
or the results say whose figures are missing.
"""

from __future__ import annotations

from typing import Any

from locust.env import Environment

from loadtests.users.plan import Plan
from loadtests.users.tally import Tally

FINISH, FINISHED, RESTS = "loadtest-finish", "loadtest-finished", "loadtest-rests"
# The key of what is added to Locust's reports.
REPORT = "loadtest"


class Session:
    """What is common to all processes: counting."""

    def __init__(self, environment: Environment, plan: Plan) -> None:
        self.environment = environment
        self.plan = plan
        self.tally = Tally()
        events = environment.events
        events.request.add_listener(self._on_request)
        events.test_start.add_listener(self.on_start)
        events.spawning_complete.add_listener(self._on_spawning_complete)

    def on_start(self, **_rest: object) -> None:
        """Begin anew."""
        self.tally.clear()

    def user_rests(self) -> None:
        """A user of this process has had all its turns."""
        raise NotImplementedError

    def _on_request(self, **told: Any) -> None:
        exception = told.get("exception")
        self.tally.count(
            told["request_type"],
            told["name"],
            told["response_time"],
            told["response_length"],
            protocol=(told.get("context") or {}).get("protocol", ""),
            error=str(exception) if exception else "",
        )

    def _on_spawning_complete(self, **_rest: object) -> None:
        if self.environment.reset_stats:
            self.tally.clear()
