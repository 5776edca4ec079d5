from __future__ import annotations

import pytest

from loadtests.bench.comparing import Spread
from loadtests.compare.rows import make_rows, row_to_json
from loadtests.compare.samples import METRICS, RowKey, Sample, Unit

OURS = RowKey("ktlsserve", "http/1.1", 1500, "large")
QUIC = RowKey("nginx-h3", "h3", 1500, "large")


def sample(key: RowKey, number: int, cpu: float, **more: float) -> Sample:
    return Sample(key, number, 100, 0, {"cpu_s_per_gb": cpu, **more})


def test_a_row_has_median_and_spread_of_its_rounds() -> None:
    (row,) = make_rows([sample(OURS, 0, 1.0), sample(OURS, 1, 4.0), sample(OURS, 2, 2.0)])
    assert row.figures["cpu_s_per_gb"].values == Spread(2.0, 1.0, 4.0, 3)
    assert (row.requests, row.failures, row.red) == (300, 0, False)


def test_a_ratio_is_that_of_the_same_round() -> None:
    """Medians alone would say 2: a machine that is slow in one round is so for both."""
    rows = make_rows([sample(OURS, 0, 1.0), sample(QUIC, 0, 3.0), sample(QUIC, 1, 6.0), sample(OURS, 1, 2.0)])
    ratio = rows[1].figures["cpu_s_per_gb"].ratio
    assert ratio == Spread(3.0, 3.0, 3.0, 2)
    own = rows[0].figures["cpu_s_per_gb"].ratio
    assert own is not None
    assert own.median == 1.0


@pytest.mark.parametrize("failures", [0, 2])
def test_red_is_not_fast(failures: int) -> None:
    problem = "" if failures else "other bytes than the file's"
    bad = Sample(QUIC, 1, 50, failures, problem=problem)
    row = make_rows([sample(OURS, 0, 1.0), sample(QUIC, 0, 0.1), bad])[1]
    assert row.red
    assert row.problem == (problem or "2 requests failed")
    assert row.figures == {}
    document = row_to_json(row)
    assert document["cpu_s_per_gb"] is None
    assert document["ratio"] == {}
    assert document["failures"] == failures


def test_a_red_reference_gives_no_ratios() -> None:
    row = make_rows([Sample(OURS, 0, problem="it ended"), sample(QUIC, 0, 3.0)])[1]
    assert row.figures["cpu_s_per_gb"].ratio is None


@pytest.mark.parametrize(
    "other",
    [
        RowKey("ktlsserve", "http/1.1", 65536, "large"),
        RowKey("ktlsserve", "http/1.1", 1500, "small"),
        RowKey("ktlsserve", "http/1.1", 1500, "large", Unit.INSTRUCTIONS),
        RowKey("ktlsserve-kernel", "http/1.1", 1500, "large", Unit.INSTRUCTIONS),
    ],
)
def test_what_differs_in_more_than_the_server_is_not_compared(other: RowKey) -> None:
    row = make_rows([sample(other, 0, 1.0), sample(QUIC, 0, 3.0)])[1]
    assert row.figures["cpu_s_per_gb"].ratio is None


def test_instructions_are_compared_with_those_of_kernel_tls() -> None:
    kernel = RowKey("ktlsserve-kernel", "http/1.1", 1500, "large", Unit.INSTRUCTIONS)
    nginx = RowKey("nginx-tls", "http/1.1", 1500, "large", Unit.INSTRUCTIONS)
    rows = make_rows(
        [Sample(kernel, 0, 1, 0, {"instructions_per_gb": 5e9}), Sample(nginx, 0, 1, 0, {"instructions_per_gb": 1e10})]
    )
    document = row_to_json(rows[1])
    assert document["ratio_to"] == "ktlsserve-kernel"
    assert document["ratio"] == {"instructions_per_gb": {"median": 2.0, "least": 2.0, "greatest": 2.0, "count": 1}}
    assert document["cpu_s_per_gb"] is None
    assert document["unit"] == "instructions"


def test_counts_that_may_be_none_have_no_ratio() -> None:
    rows = make_rows([sample(OURS, 0, 1.0, udp_drops=0), sample(QUIC, 0, 2.0, udp_drops=9)])
    assert rows[1].figures["udp_drops"].values.median == 9
    assert rows[1].figures["udp_drops"].ratio is None


def test_a_row_of_results_names_every_metric() -> None:
    (row,) = make_rows([sample(OURS, 0, 1.0)])
    document = row_to_json(row)
    assert document["cpu_s_per_gb"] == 1.0
    assert document["p99_ms"] is None
    assert {metric.key for metric in METRICS} <= document.keys()
    assert {"server", "protocol", "mtu", "scenario", "unit", "requests", "failures"} <= document.keys()


def test_runs_of_their_own_belong_to_the_same_row() -> None:
    calls = Sample(OURS, 0, 10, 0, {"syscalls_per_mb": 5.0}, detail="sendfile 4")
    (row,) = make_rows([sample(OURS, 0, 1.0), calls])
    assert row.figures.keys() == {"cpu_s_per_gb", "syscalls_per_mb"}
    assert row.detail == "sendfile 4"
    assert row.requests == 110
