from __future__ import annotations

from loadtests.baselines import BASELINES
from loadtests.compare import guest
from loadtests.compare.guest_side import CASES, SERVERS
from loadtests.compare.rows import REFERENCES
from loadtests.compare.samples import BY_KEY, Unit
from loadtests.compare.scenarios import SCENARIOS


def test_kernel_tls_is_compared_with_nginx_in_both_protocols() -> None:
    assert set(SERVERS) <= BASELINES.keys()
    assert REFERENCES[Unit.INSTRUCTIONS] in SERVERS
    assert {"nginx-tls", "nginx-h3-gso"} <= set(SERVERS)


def test_its_figures_are_instructions_and_its_cases_no_scenario_in_seconds() -> None:
    assert all(BY_KEY[primary].title.startswith("instructions") for primary in guest.PRIMARY.values())
    assert not guest.PRIMARY.keys() & SCENARIOS.keys()


def test_steps() -> None:
    assert guest.steps([1500, 65536]) == 2 * len(CASES) * len(SERVERS) * 2
