"""What stand-ins report, from real runs of pytest: here on the host, in a process that plays the guest."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.vm import guest, guest_run
from tests.vm.exchange import CHECKOUT
from tests.vm.guest import Guest, GuestOptions
from tests.vm.guest_run import GuestRun
from tests.vm.kernels import Kernel
from tests.vm.stand_ins import StandIn, reports_from_guest, reports_without_guest

pytestmark = pytest.mark.slow

TESTS = """
import os, time
import pytest

@pytest.fixture
def broken():
    raise RuntimeError("in the fixture")

def test_passes():
    print("said inside")

def test_fails():
    assert [1, 2] == [1, 3]

def test_cannot_be_set_up(broken):
    pass

def test_is_skipped():
    pytest.skip("the reason")

@pytest.mark.xfail(strict=True, reason="known")
def test_fails_as_expected():
    assert False

def test_hangs():
    time.sleep(60)

def test_kills_the_guest():
    os._exit(9)

def test_comes_after():
    pass
"""

KERNEL_LOG = "[1.0] WARNING: CPU: 0 PID: 1 at net/tls/tls_sw.c:1\n[2.0] warned: all is well\n"


def host_guest(folder: Path, names: list[str], monkeypatch: pytest.MonkeyPatch) -> Guest:
    """A guest that is a process on the host: it dies as one does, and leaves the same files."""
    inside = folder / "inside"
    inside.mkdir()
    (inside / "test_inside.py").write_text(TESTS, encoding="utf-8")
    (folder / "only").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    options = [f"--events-to={folder}/events", f"--only={folder}/only", "--test-limit=0.5", f"--rootdir={inside}"]
    run = [sys.executable, "-m", "pytest", "-p", "tests.vm.guest_plugin", "-c", os.devnull, *options, "test_inside.py"]
    script = f'touch "$0/booted"; ln -s {folder}/events "$0/events"; cd {inside}; {shlex.join(run)} > "$0/output"'
    script += f"; printf {shlex.quote(KERNEL_LOG)} > $0/kernel-log"
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(guest, "_vng_command", lambda _kernel, exchange, _options: ["sh", "-c", script, str(exchange)])
    return Guest(Kernel("6.12", "6.12.0-test", folder), ["pytest"], folder / "cache", GuestOptions(limit_s=60.0))


def stand_in(name: str, config: pytest.Config) -> StandIn:
    location = ("tests/vm/kernels.toml", None, f"6.12: {name}")
    parts = SimpleNamespace(test_nodeid=name, nodeid=f"outer::{name}", location=location, path=Path("x"), config=config)
    return cast("StandIn", parts)


def nodeid(test: str) -> str:
    return f"test_inside.py::{test}"


class Outcomes:
    """What the tests of one guest came to; `of` gives the outcome of each phase of one."""

    def __init__(self, config: pytest.Config, run: GuestRun) -> None:
        self._config = config
        self.run = run

    def reports(self, test: str) -> list[pytest.TestReport]:
        return list(reports_from_guest(stand_in(nodeid(test), self._config), self.run))

    def of(self, test: str) -> dict[str, str]:
        return {str(report.when): report.outcome for report in self.reports(test)}

    def failure(self, test: str) -> str:
        (failed,) = [report for report in self.reports(test) if report.failed]
        return failed.longreprtext


@pytest.fixture
def run_tests(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Outcomes]]:
    """A function that runs the named tests in a guest."""
    with ExitStack() as guests:

        def run(*tests: str) -> Outcomes:
            running = guests.enter_context(host_guest(tmp_path, [nodeid(test) for test in tests], monkeypatch))
            return Outcomes(request.config, GuestRun(running))

        yield run


def test_each_outcome_is_reported_as_it_was_inside(run_tests: Callable[..., Outcomes]) -> None:
    tests = [
        "test_passes",
        "test_fails",
        "test_cannot_be_set_up",
        "test_is_skipped",
        "test_fails_as_expected",
        "test_hangs",
    ]
    outcomes = run_tests(*tests)

    assert outcomes.of("test_passes") == {"setup": "passed", "call": "passed", "teardown": "passed"}
    (call,) = [report for report in outcomes.reports("test_passes") if report.when == "call"]
    assert call.capstdout == "said inside\n"
    assert call.nodeid == f"outer::{nodeid('test_passes')}"

    assert outcomes.of("test_fails") == {"setup": "passed", "call": "failed", "teardown": "passed"}
    assert "assert [1, 2] == [1, 3]" in outcomes.failure("test_fails")
    assert outcomes.of("test_cannot_be_set_up") == {"setup": "failed", "teardown": "passed"}
    assert "RuntimeError: in the fixture" in outcomes.failure("test_cannot_be_set_up")

    assert outcomes.of("test_is_skipped")["call"] == "skipped"
    (skipped,) = [report for report in outcomes.reports("test_is_skipped") if report.skipped]
    assert isinstance(skipped.longrepr, tuple)
    assert skipped.longrepr[2] == "Skipped: the reason"

    (expected,) = [report for report in outcomes.reports("test_fails_as_expected") if report.skipped]
    assert expected.wasxfail == "known"
    assert "took longer than" in outcomes.failure("test_hangs")


def test_a_lost_guest_fails_every_test_that_it_had_left(run_tests: Callable[..., Outcomes]) -> None:
    outcomes = run_tests("test_passes", "test_kills_the_guest", "test_comes_after")
    assert outcomes.of("test_passes")["call"] == "passed"

    assert outcomes.of("test_kills_the_guest") == {"setup": "passed", "call": "failed"}
    failure = outcomes.failure("test_comes_after")
    assert failure.startswith("the guest was lost before this test began, during test_inside.py::test_kills_the_guest")


def test_the_first_lost_test_shows_the_guests_last_words(run_tests: Callable[..., Outcomes]) -> None:
    outcomes = run_tests("test_kills_the_guest", "test_comes_after")
    first, second = outcomes.failure("test_kills_the_guest"), outcomes.failure("test_comes_after")
    assert "--- output ---\n" in first
    assert "test session starts" in first
    assert "test session starts" not in second


def test_a_silent_guest_is_ended(run_tests: Callable[..., Outcomes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest_run, "_SILENCE_LIMIT_S", 0.0)
    outcomes = run_tests("test_comes_after")
    assert "was silent for" in outcomes.failure("test_comes_after")


def test_what_the_kernel_complained_of_is_known_at_the_end(run_tests: Callable[..., Outcomes]) -> None:
    outcomes = run_tests("test_passes")
    assert outcomes.of("test_passes")["call"] == "passed"
    assert outcomes.run.complaints() == ["[1.0] WARNING: CPU: 0 PID: 1 at net/tls/tls_sw.c:1"]


def test_a_test_that_is_gone_is_lost_alone(run_tests: Callable[..., Outcomes]) -> None:
    outcomes = run_tests("test_that_is_gone", "test_passes")
    assert "the guest's pytest ended without running this test" in outcomes.failure("test_that_is_gone")
    assert outcomes.of("test_passes")["call"] == "passed"


@pytest.mark.parametrize(("required", "outcome"), [("0", "skipped"), ("1", "failed")])
def test_without_a_guest_tests_are_skipped_or_fail_where_ktls_is_required(
    required: str, outcome: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KTLSSERVE_REQUIRE_KTLS", required)
    (report,) = reports_without_guest(stand_in("test_x", request.config), "no emulator")
    assert report.outcome == outcome
    assert "no emulator" in str(report.longrepr)
