from __future__ import annotations

import pytest

from loadtests.bench.comparing import Spread
from loadtests.compare.rows import Figure
from loadtests.compare.samples import Unit
from loadtests.compare.words import between, cell, findings, number, sections, times
from tests.support.comparison import sample_report


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.03, "0.03"),
        (0.8512, "0.851"),
        (7.0, "7"),
        (74.26, "74.3"),
        (5445, "5,445"),
        (1_500_000, "1.5 M"),
        (4.7e9, "4.7 G"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_a_cell_has_median_spread_and_ratio() -> None:
    figure = Figure(Spread(2.18, 1.74, 2.52, 3), Spread(2.564, 2.1, 3.0, 3))
    assert cell(figure) == "2.18 (1.74–2.52) · 2.56×"


def test_one_round_has_no_spread() -> None:
    assert cell(Figure(Spread(2.0, 2.0, 2.0, 1))) == "2"
    assert between(Spread(2.0, 2.0, 2.0, 1)) == ""


def test_what_was_not_measured_is_a_dash() -> None:
    assert cell(None) == "–"


@pytest.mark.parametrize(("ratio", "text"), [(1.0, "1×"), (2.564, "2.56×"), (87.04, "87×"), (1234.5, "1,234×")])
def test_ratios(ratio: float, text: str) -> None:
    assert times(Spread(ratio, ratio, ratio, 1)) == text


def test_units_and_mtus_and_scenarios_stay_apart() -> None:
    found = sections(sample_report().rows)
    assert list(found) == [
        (Unit.SECONDS, 1500, "large"),
        (Unit.SECONDS, 1500, "small"),
        (Unit.SECONDS, 65536, "large"),
        (Unit.SECONDS, 65536, "small"),
        (Unit.INSTRUCTIONS, 1500, "64 MiB once"),
    ]
    for (unit, mtu, scenario), rows in found.items():
        assert {(row.key.unit, row.key.mtu, row.key.scenario) for row in rows} == {(unit, mtu, scenario)}


def test_a_finding_names_the_cheapest_first_and_no_refused() -> None:
    rows = sections(sample_report().rows)[Unit.SECONDS, 1500, "large"]
    assert findings(rows, "cpu_s_per_gb") == "0.9; nginx-tls 1.1×, nginx-h3-gso 2.5×, aioquic 87×"


def test_without_the_reference_nothing_is_found() -> None:
    rows = [row for row in sample_report().rows if row.key.server == "aioquic"]
    assert findings(rows, "cpu_s_per_gb") == ""
