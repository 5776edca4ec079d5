"""What a run of pytest in a guest reported, and what it means for each test (pure: text in, objects out).

Each test ends in one of two ways: its own reports for setup, call and teardown, as they were made inside; or, where the
guest ended first, a failure that says how far it came. No test can be left without a result.
"""

import copy
import json
from dataclasses import dataclass, field
from typing import Any

Report = dict[str, Any]  # what pytest_report_to_serializable makes


@dataclass(slots=True)
class Progress:
    """How far one test has come."""

    reports: list[Report] = field(default_factory=list)
    finished: bool = False


class Results:
    """Collects events as the guest writes them."""

    def __init__(self) -> None:
        self.ended = False
        self._tests: dict[str, Progress] = {}
        self._rest = ""

    def receive_text(self, text: str) -> None:
        """Take what was appended to the file of events; it may stop in the middle of a line."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._receive_event(json.loads(line))

    def progress(self, nodeid: str) -> Progress | None:
        """Return how far a test has come, None where it has not begun."""
        return self._tests.get(nodeid)

    def under_way(self) -> list[str]:
        """Name the tests that began and have not finished."""
        return [nodeid for nodeid, progress in self._tests.items() if not progress.finished]

    def loss(self, nodeid: str, cause: str) -> str:
        """Say what is known of a test whose guest ended before the test did."""
        if nodeid in self._tests:
            return f"the guest was lost during this test: {cause}"
        if self.ended:
            return f"the guest's pytest ended without running this test: {cause}"
        culprits = ", ".join(self.under_way())
        return f"the guest was lost before this test began{f', during {culprits}' if culprits else ''}: {cause}"

    def _receive_event(self, event: dict[str, Any]) -> None:
        if event["event"] == "end":
            self.ended = True
            return
        progress = self._tests.setdefault(event["nodeid"], Progress())
        if event["event"] == "report":
            report = event["report"]
            progress.reports.append(report)
            progress.finished = report["when"] == "teardown"


def for_stand_in(report: Report, nodeid: str, location: tuple[str, int | None, str]) -> Report:
    """Relabel a report from inside as that of the test's stand-in outside."""
    longrepr = report["longrepr"]
    return {
        **copy.deepcopy(report),  # reading a report, pytest takes its insides apart
        "nodeid": nodeid,
        "location": list(location),
        # JSON made a list of the tuple (file, line, reason) by which pytest knows a skip.
        **({"longrepr": tuple(longrepr)} if isinstance(longrepr, list) else {}),
    }


def split_nodeid(nodeid: str) -> list[str]:
    """Split a node id into its names; a parameter such as [::1] stays whole."""
    base, bracket, parameters = nodeid.partition("[")
    *parents, name = base.split("::")
    return [*parents, name + bracket + parameters]
