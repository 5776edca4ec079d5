from __future__ import annotations

import pytest

from loadtests.users.scenario import SHAPES, Load
from loadtests.users.shapes import users_at

LOAD = Load(users=40, spike_users=100, ramp_s=20, hold_s=10, spike_s=5)


def users(shape: str) -> list[int]:
    """How many there are in each second, to the end."""
    found: list[int] = []
    while (stage := users_at(shape, LOAD, len(found))) is not None:
        found.append(stage[0])
    return found


def test_a_ramp_climbs_evenly_and_holds() -> None:
    assert users("ramp") == [*range(2, 41, 2), *[40] * 10]


def test_a_hold_has_all_at_once() -> None:
    assert users("hold") == [40] * 10
    assert users_at("hold", LOAD, 0) == (40, 40)


def test_a_spike_comes_and_goes() -> None:
    assert users("spike") == [40] * 10 + [100] * 5 + [40] * 10
    # At once.
    assert users_at("spike", LOAD, 10) == (100, 100)
    assert users_at("spike", LOAD, 15) == (40, 100)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "options"])
def test_there_is_always_somebody_until_the_end(shape: str) -> None:
    assert min(users(shape)) >= 1
    slow = Load(users=1, spike_users=1, ramp_s=1000, hold_s=1, spike_s=1)
    assert users_at(shape, slow, 0) == (1, 1)
