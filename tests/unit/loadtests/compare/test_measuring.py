from __future__ import annotations

import pytest

from loadtests.compare.driving import Load
from loadtests.compare.measuring import timed_values
from loadtests.compare.netstat import NetworkCounts
from loadtests.compare.samples import BY_KEY
from loadtests.compare.usage import Usage


def test_figures_of_a_timed_run() -> None:
    load = Load(2000, 0, 4.0, 2_000_000_000, {"p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0}, [])
    values = timed_values(load, Usage(4.0, 1.01, 3.03, 500, 0), NetworkCounts(7, 9))
    assert values.keys() <= BY_KEY.keys()
    assert values == pytest.approx(
        {
            "requests_per_s": 500,
            "gb_per_s": 0.5,
            "p50_ms": 1.0,
            "p95_ms": 2.0,
            "p99_ms": 3.0,
            "cpu_s_per_gb": 2.0,
            "cpu_user_s_per_gb": 0.5,
            "cpu_system_s_per_gb": 1.5,
            "cpu_s_per_1000_requests": 2.0,
            "cpu_user_s_per_1000_requests": 0.5,
            "cpu_system_s_per_1000_requests": 1.5,
            "server_busy": 1.0,
            "context_switches_per_mb": 0.25,
            "tcp_retransmits": 7,
            "udp_drops": 9,
        }
    )


def test_without_a_whole_tick_nobody_says_whose_the_time_was() -> None:
    load = Load(20, 0, 1.0, 20_000_000, {}, [])
    values = timed_values(load, Usage(0.004, 0.0, 0.0, 5, 0), NetworkCounts(0, 0))
    assert values["cpu_s_per_gb"] == pytest.approx(0.2)
    assert not {"cpu_user_s_per_gb", "cpu_system_s_per_gb", "cpu_user_s_per_1000_requests"} & values.keys()
