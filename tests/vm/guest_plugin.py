"""The pytest plugin of the run inside a guest: writes what happens as JSON lines, each as soon as it happens.

Loaded by `-p tests.vm.guest_plugin`, with --tests-to=FILE (list the collected tests, on the host), or with --only=FILE
(run the tests that it names) and --events-to=FILE (report the run) in the guest. A guest that dies leaves behind how
far it came. See results.py for the reading side.
"""

import json
import signal
from collections.abc import Generator
from pathlib import Path
from types import FrameType

import pytest

# Marks that act on the test itself: inside the guest, where they are evaluated, not on its stand-in outside.
_ACTING_MARKS = frozenset({"parametrize", "usefixtures", "skip", "skipif", "xfail", "filterwarnings"})


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("guest", "runs inside a guest")
    group.addoption("--tests-to", metavar="FILE", help="write the collected tests to FILE, a JSON object a line")
    group.addoption("--only", metavar="FILE", help="run only the tests whose node ids are the lines of FILE")
    group.addoption("--events-to", metavar="FILE", help="write results to FILE, a JSON object a line")
    group.addoption("--test-limit", metavar="SECONDS", type=float, default=240.0, help="fail tests that take longer")


def pytest_configure(config: pytest.Config) -> None:
    """Start writing, where a file is named."""
    events_to = config.getoption("--events-to")
    if events_to:
        config.pluginmanager.register(EventWriter(config, Path(events_to), config.getoption("--test-limit")))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what was not chosen.

    Not by arguments: of those, one that does not exist any more ends the whole run.
    """
    only = config.getoption("--only")
    if only:
        chosen = set(Path(only).read_text(encoding="utf-8").splitlines())
        items[:] = [item for item in items if item.nodeid in chosen]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write which tests there are, with what -k and -m may ask for."""
    tests_to = session.config.getoption("--tests-to")
    if tests_to:
        lines = [
            json.dumps(
                {
                    "nodeid": item.nodeid,
                    "marks": sorted({mark.name for mark in item.iter_markers()} - _ACTING_MARKS),
                }
            )
            for item in session.items
        ]
        Path(tests_to).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


class EventWriter:
    """Writes the events of a run, and ends tests that hang."""

    def __init__(self, config: pytest.Config, path: Path, limit_s: float) -> None:
        self._config = config
        self._stream = path.open("w", encoding="utf-8")
        self._limit_s = limit_s
        signal.signal(signal.SIGALRM, self._fail)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Report that a test begins: the last one to do so may be the one that took the guest down."""
        self._write({"event": "start", "nodeid": nodeid})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report how a phase of a test went."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._write({"event": "report", "nodeid": report.nodeid, "report": data})

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Report that pytest came to its end."""
        self._write({"event": "end", "status": int(exitstatus)})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        """Limit how long setting up may take."""
        return (yield from self._limited())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """Limit how long a test may take."""
        return (yield from self._limited())

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        """Limit how long tearing down may take."""
        return (yield from self._limited())

    def _limited(self) -> Generator[None, object, object]:
        signal.setitimer(signal.ITIMER_REAL, self._limit_s)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _fail(self, _signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"took longer than {self._limit_s:.0f} s")

    def _write(self, event: dict[str, object]) -> None:
        self._stream.write(json.dumps(event) + "\n")
        self._stream.flush()
