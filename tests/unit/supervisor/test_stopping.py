from __future__ import annotations

import math

from ktlsserve.supervisor.stopping import KILL_MARGIN_S, Stopping


def test_a_stop_has_two_moments() -> None:
    stopping = Stopping()
    assert (stopping.begun, stopping.accept_until_s, stopping.kill_s) == (False, math.inf, math.inf)
    stopping.begin(100.0, 30.0, 2.0)
    assert stopping.begun
    assert stopping.kill_s == 130.0 + KILL_MARGIN_S
    assert not stopping.stop_accepting(101.9)
    assert stopping.stop_accepting(102.0)
    # Once: who waits for the next moment must not wait for one that has passed.
    assert not stopping.stop_accepting(103.0)
    assert stopping.accept_until_s == math.inf


def test_in_a_hurry_everything_is_due() -> None:
    stopping = Stopping()
    stopping.begin(100.0, 30.0, 2.0)
    stopping.hurry(101.0)
    assert stopping.kill_s == 101.0
    assert stopping.stop_accepting(101.0)
