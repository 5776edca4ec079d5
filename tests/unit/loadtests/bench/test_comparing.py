from __future__ import annotations

import pytest

from loadtests.bench.comparing import Figure, Spread, compare, spread
from loadtests.bench.samples import Sample


def rates(peer: str, *values: float, case: str = "a") -> list[Sample]:
    return [Sample(case, peer, number, {"requests_per_s": value}) for number, value in enumerate(values)]


def test_a_spread() -> None:
    assert spread([3.0, 1.0, 8.0]) == Spread(3.0, 1.0, 8.0, 3)


def test_no_values_have_no_spread() -> None:
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_ratios_are_those_of_the_same_round() -> None:
    # The machine was three times slower in round 1: the medians' ratio would be 20/10, each round's own says otherwise.
    samples = rates("ours", 20.0, 8.0, 44.0) + rates("nginx", 10.0, 4.0, 40.0)
    ours, nginx = compare(samples, {"ours": ["nginx"]})
    assert ours == Figure("a", "ours", "requests_per_s", Spread(20.0, 8.0, 44.0, 3), "nginx", Spread(2.0, 1.1, 2.0, 3))
    assert nginx == Figure("a", "nginx", "requests_per_s", Spread(10.0, 4.0, 40.0, 3))


def test_a_round_that_failed_on_one_side_makes_no_pair() -> None:
    samples = [*rates("ours", 20.0, 30.0), *rates("nginx", 10.0), Sample("a", "nginx", 1, problem="status 500")]
    ours = compare(samples, {"ours": ["nginx"]})[0]
    assert ours.values.count == 2
    assert ours.ratio == Spread(2.0, 2.0, 2.0, 1)


def test_no_ratio_without_the_reference_or_to_nothing() -> None:
    for samples in (rates("ours", 20.0), rates("ours", 20.0) + rates("nginx", 0.0)):
        ours = compare(samples, {"ours": ["nginx"]})[0]
        assert (ours.reference, ours.ratio) == ("", None)


def test_other_cases_are_not_compared() -> None:
    samples = rates("ours", 20.0) + rates("nginx", 10.0, case="b")
    assert [figure.ratio for figure in compare(samples, {"ours": ["nginx"]})] == [None, None]


def test_several_references() -> None:
    samples = rates("log", 9.0) + rates("ours", 10.0) + rates("nginx", 6.0)
    figures = compare(samples, {"log": ["ours", "nginx"]})
    assert [(figure.peer, figure.reference, figure.ratio and figure.ratio.median) for figure in figures] == [
        ("log", "ours", 0.9),
        ("log", "nginx", 1.5),
        ("ours", "", None),
        ("nginx", "", None),
    ]
