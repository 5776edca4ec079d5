"""Waiting for something to become true: by asking often, with a limit, never by sleeping for as long as it may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LIMIT_S = 120.0
"""An emulated machine that shares its processors is slow: a limit is there to end a test that hangs, not to measure."""

_INTERVAL_S = 0.01


def wait_until(condition: Callable[[], T | None], what: str, *, limit_s: float = LIMIT_S) -> T:
    """Return the first true value of ``condition``; fail, naming ``what``, when there is none within ``limit_s``."""
    give_up_s = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= give_up_s:
            raise AssertionError(f"{what}: not within {limit_s:g} s (last seen: {value!r})")
        time.sleep(_INTERVAL_S)
