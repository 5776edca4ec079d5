"""Stand-ins for the tests of tests/kernel: items of the run outside that report what happened inside a guest.

kernels.toml is collected into `tests/vm/kernels.toml::KERNEL::FILE::TEST`, so that single tests can be named, chosen by
-k and -m, and counted like any others.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NoReturn, Protocol

import pytest

from tests.support import ktls_kernel
from tests.vm.kernel_tests import KERNEL_TESTS, KernelTest, list_kernel_tests
from tests.vm.kernels import read_specs
from tests.vm.results import Report, for_stand_in, split_nodeid


class Run(Protocol):
    """What a stand-in needs of a guest."""

    def wait_for(self, nodeid: str) -> tuple[list[Report], str | None]:
        """Return a test's reports and, where the guest was lost before its end, what is known about that."""


class KernelsFile(pytest.File):
    """kernels.toml, as a collector of one folder per kernel."""

    def collect(self) -> Iterator["GuestFolder"]:
        """List the kernels."""
        tests = list_kernel_tests()
        for name in read_specs(self.path):
            yield GuestFolder.from_parent(self, name=name, guest=name, tests=tests, depth=0)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:  # type: ignore[override]
        """Show what went wrong, not where in this plugin."""
        return str(excinfo.value)


class GuestFolder(pytest.Collector):
    """A kernel, or a file or class of its tests: everything with the same first `depth` names."""

    def __init__(self, *, guest: str, tests: Iterable[KernelTest], depth: int, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self._guest = guest
        self._tests = list(tests)
        self._depth = depth

    def collect(self) -> Iterator["GuestFolder | StandIn"]:
        """List the tests and the folders of tests at this level, in the order in which pytest found them."""
        folders: dict[str, list[KernelTest]] = {}
        for test in self._tests:
            folders.setdefault(split_nodeid(test.nodeid)[self._depth], []).append(test)
        for name, tests in folders.items():
            if len(split_nodeid(tests[0].nodeid)) == self._depth + 1:
                for test in tests:
                    yield StandIn.from_parent(self, name=name, guest=self._guest, test=test)
            else:
                short = Path(name).relative_to(KERNEL_TESTS).as_posix() if self._depth == 0 else name
                yield GuestFolder.from_parent(self, name=short, guest=self._guest, tests=tests, depth=self._depth + 1)


class StandIn(pytest.Item):
    """One test in one guest."""

    def __init__(self, *, guest: str, test: KernelTest, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.guest = guest
        self.test_nodeid = test.nodeid
        for mark in (*test.marks, "slow"):
            self.add_marker(mark)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Say where this is, for reports."""
        return self.path, None, f"{self.guest}: {self.test_nodeid}"

    def runtest(self) -> NoReturn:
        """Never called: the test runs in the guest, and pytest_runtest_protocol fetches its reports."""
        raise NotImplementedError


def reports_from_guest(item: StandIn, run: Run) -> Iterator[pytest.TestReport]:
    """Make the reports of a stand-in out of those of its test; a test that was lost has failed."""
    reports, loss = run.wait_for(item.test_nodeid)
    for report in reports:
        data = for_stand_in(report, item.nodeid, item.location)
        yield item.config.hook.pytest_report_from_serializable(config=item.config, data=data)
    if loss is not None:
        yield pytest.TestReport(item.nodeid, item.location, {}, "failed", loss, "call")


def reports_without_guest(item: StandIn, why: str) -> Iterator[pytest.TestReport]:
    """Make the report of a stand-in for which there is no guest: skipped, or failed where kTLS is required."""
    if ktls_kernel.required():
        loss = f"{why}\nKTLSSERVE_REQUIRE_KTLS=1 asks for it"
        yield pytest.TestReport(item.nodeid, item.location, {}, "failed", loss, "call")
    else:
        yield pytest.TestReport(item.nodeid, item.location, {}, "skipped", (str(item.path), 0, why), "setup")
