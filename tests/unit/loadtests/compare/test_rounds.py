from __future__ import annotations

from loadtests.compare.rounds import Plan, rotated
from loadtests.compare.scenarios import SCENARIOS


def test_the_order_rotates() -> None:
    servers = ["a", "b", "c"]
    assert [rotated(servers, number) for number in range(4)] == [
        ["a", "b", "c"],
        ["b", "c", "a"],
        ["c", "a", "b"],
        ["a", "b", "c"],
    ]


def test_steps_are_starts_connections_rounds_and_counting() -> None:
    scenarios = list(SCENARIOS.values())
    plan = Plan(["a", "b"], scenarios, [1500, 65536], rounds=3, duration_s=1, counted=scenarios[:1])
    assert plan.steps() == 2 * 2 * (2 + 2 * 3 + 1)
