"""Which tests tests/kernel holds, asked of pytest itself in a process of its own."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.vm.errors import GuestError
from tests.vm.exchange import CHECKOUT

KERNEL_TESTS = "tests/kernel"


@dataclass(frozen=True, slots=True)
class KernelTest:
    """One test: its node id, and the marks by which -m and -k may choose it."""

    nodeid: str
    marks: tuple[str, ...]


@functools.cache
def list_kernel_tests() -> tuple[KernelTest, ...]:
    """Collect tests/kernel. Raises GuestError with pytest's own words where that fails."""
    with tempfile.TemporaryDirectory() as folder:
        tests_to = Path(folder) / "tests"
        done = subprocess.run(
            [*inner_pytest(), "--collect-only", "-q", f"--tests-to={tests_to}", KERNEL_TESTS],
            cwd=CHECKOUT,
            env={**os.environ, **INNER_ENVIRONMENT},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise GuestError(f"pytest could not collect {KERNEL_TESTS}:\n{done.stdout}{done.stderr}")
        lines = tests_to.read_text(encoding="utf-8").splitlines()
    tests = [json.loads(line) for line in lines]
    return tuple(KernelTest(test["nodeid"], tuple(test["marks"])) for test in tests)


# Other plugins are for the run outside, and cost seconds to import under emulation.
INNER_ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}


def inner_pytest() -> list[str]:
    """Begin the command line of a pytest with the plugin of the guest and no cache, which guests could not write."""
    return [sys.executable, "-m", "pytest", "-p", "tests.vm.guest_plugin", "-p", "no:cacheprovider"]
