"""Tests that only root can run: those that make systems and networks of their own."""

from __future__ import annotations

import os

import pytest

from tests.support.programs import nothing_may_be_missing


def require_root(what: str) -> None:
    """Skip the test if this isn't root, or fail it where nothing may be missing; ``what`` completes "who ..."."""
    if os.geteuid() != 0:
        do_without(f"who {what} must be root")


def do_without(reason: str) -> None:
    """Skip the test for ``reason``, or fail it where nothing may be missing."""
    if nothing_may_be_missing():
        pytest.fail(f"{reason}; CI=true and KTLSSERVE_REQUIRE_KTLS=1 ask for it", pytrace=False)
    pytest.skip(reason)
