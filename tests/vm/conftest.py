"""Collects kernels.toml as stand-ins for the tests of tests/kernel (see stand_ins.py) and runs these in guests.

The first stand-in whose turn comes boots the guests of all kernels that are asked for, at once; each guest runs one
pytest over the chosen tests, and each stand-in waits for the reports of its test. Where this machine's own kernel has
no kTLS, tests that have stand-ins are left out themselves.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ktls_kernel
from tests.vm.cache import cache_root
from tests.vm.errors import GuestError
from tests.vm.guest_run import GuestRun, start_run
from tests.vm.kernel_tests import KERNEL_TESTS
from tests.vm.kernels import KERNELS_FILE, provide_kernels, read_specs
from tests.vm.stand_ins import KernelsFile, StandIn, reports_from_guest, reports_without_guest
from tests.vm.system_packages import require_packages


class Guests:
    """The guests of this session: all booted when the first is needed, ended with the session."""

    def __init__(self) -> None:
        self._runs: dict[str, GuestRun] = {}
        self._why_none: str | None = None

    def run_of(self, item: StandIn) -> GuestRun | str:
        """Return the run that `item` belongs to, or why there can be none."""
        if not self._runs and self._why_none is None:
            try:
                self._boot([other for other in item.session.items if isinstance(other, StandIn)])
            except GuestError as error:
                self._why_none = f"no guest with kTLS can be had: {error}"
        return self._why_none or self._runs[item.guest]

    def complaints(self) -> Iterator[str]:
        """Return what the kernels logged about themselves."""
        for name, run in self._runs.items():
            for line in run.complaints():
                yield f"{name}: {line}"

    def close(self) -> None:
        """End all guests."""
        while self._runs:
            self._runs.popitem()[1].close()

    def _boot(self, items: list[StandIn]) -> None:
        cache = cache_root()
        require_packages(for_guests=True)
        specs = [spec for name, spec in read_specs().items() if any(item.guest == name for item in items)]
        for kernel in provide_kernels(specs, cache):
            nodeids = [item.test_nodeid for item in items if item.guest == kernel.name]
            self._runs[kernel.name] = start_run(kernel, nodeids, cache)


_GUESTS = pytest.StashKey[Guests]()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> KernelsFile | None:
    """Collect kernels.toml, but not inside a guest."""
    if file_path == KERNELS_FILE and "KTLSSERVE_GUEST" not in os.environ:
        return KernelsFile.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that could only be skipped here, where their stand-ins are there."""
    replaced = {item.test_nodeid for item in items if isinstance(item, StandIn)}
    if not replaced or ktls_kernel.missing_kernel_tls() is None:
        return
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in replaced])
    items[:] = [item for item in items if item.nodeid not in replaced]


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    """Say where the tests for kTLS run."""
    guests = sorted({item.guest for item in items if isinstance(item, StandIn)})
    if not guests:
        return []
    missing = ktls_kernel.missing_kernel_tls()
    here = "here as well" if missing is None else f"not here ({missing})"
    return [f"{KERNEL_TESTS} runs in guests with Linux {' and '.join(guests)}, {here}"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Report for a stand-in what its test reported in the guest."""
    if not isinstance(item, StandIn):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    run = item.config.stash.setdefault(_GUESTS, Guests()).run_of(item)
    for report in reports_without_guest(item, run) if isinstance(run, str) else reports_from_guest(item, run):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show what the guests' kernels complained about."""
    guests = config.stash.get(_GUESTS, None)
    complaints = list(guests.complaints()) if guests is not None else []
    if complaints:
        terminalreporter.section("the guests' kernels complained")
        for complaint in complaints:
            terminalreporter.write_line(complaint)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the guests, however the session ended."""
    guests = config.stash.get(_GUESTS, None)
    if guests is not None:
        guests.close()
