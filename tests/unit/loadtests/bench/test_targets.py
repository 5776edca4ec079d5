from __future__ import annotations

import pytest

from loadtests.bench.comparing import Figure, Spread
from loadtests.bench.samples import BY_KEY
from loadtests.bench.targets import TARGETS, Target, judge

CASE = "plain/1KiB/same/keep-alive/16"


def figure(metric: str, ratio: float, case: str = CASE, reference: str = "nginx") -> Figure:
    values = Spread(1.0, 1.0, 1.0, 1)
    return Figure(case, "ktlsserve", metric, values, reference, Spread(ratio, ratio, ratio, 1))


def test_a_rate_is_judged_by_wall_time_and_by_cpu_time() -> None:
    verdict = judge([figure("requests_per_s", 1.1), figure("cpu_s_per_1000_requests", 0.5)])[0]
    assert (verdict.case, verdict.ratio, verdict.ratio_by_cpu) == (CASE, 1.1, 2.0)
    assert not verdict.target.met_by(verdict.ratio)
    assert verdict.target.met_by(2.0)


def test_what_has_no_cpu_figure_is_judged_without() -> None:
    (verdict,) = judge([figure("instructions_per_request", 1.2, "guest/10KiB")])
    assert verdict.ratio_by_cpu is None
    assert verdict.target.met_by(verdict.ratio)


@pytest.mark.parametrize(
    "other",
    [
        figure("p99_ms", 0.1),
        figure("requests_per_s", 2.0, "plain/100KiB/same/close/16"),
        figure("requests_per_s", 2.0, reference="ktlsserve"),
        Figure(CASE, "ktlsserve", "requests_per_s", Spread(1.0, 1.0, 1.0, 1)),
    ],
)
def test_figures_that_no_target_is_about(other: Figure) -> None:
    assert judge([other]) == []


@pytest.mark.parametrize(("at_least", "met"), [(True, [False, True, True]), (False, [True, True, False])])
def test_a_limit_is_met_when_reached(at_least: bool, met: list[bool]) -> None:
    target = Target("*", "a", "b", "requests_per_s", 1.0, at_least=at_least)
    assert [target.met_by(ratio) for ratio in (0.99, 1.0, 1.01)] == met


def test_targets_are_about_metrics_that_exist() -> None:
    assert {target.metric for target in TARGETS} <= set(BY_KEY)
