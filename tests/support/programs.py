"""The programs of others that tests drive: found, or the test is skipped; where nothing may be missing, it fails.

They are those of tests/system-packages.txt, so a test can't need a program that `make test` doesn't install.
"""

from __future__ import annotations

import os

import pytest

from tests.support import ktls_kernel
from tests.vm.system_packages import PACKAGES_FILE, parse_packages, program_file


def find_program(name: str) -> str:
    """Return the path of a program of tests/system-packages.txt, or skip or fail the test that needs it."""
    packages = {package.program: package.name for package in parse_packages(PACKAGES_FILE.read_text(encoding="utf-8"))}
    assert name in packages, f"{PACKAGES_FILE.name} names no package for {name}"
    path = program_file(name)
    if path is not None:
        return path
    missing = f"looked for the program {name} and didn't find it: apt-get install {packages[name]}"
    if nothing_may_be_missing():
        pytest.fail(f"{missing}; CI=true and KTLSSERVE_REQUIRE_KTLS=1 ask for it", pytrace=False)
    pytest.skip(missing)


def nothing_may_be_missing() -> bool:
    """Tell whether a test that can't run is a failure: where builds are judged, and where kTLS is required."""
    return os.environ.get("CI") == "true" or ktls_kernel.required()
