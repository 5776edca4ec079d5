from __future__ import annotations

import pytest

from loadtests.bench.workloads import Mode
from loadtests.fairness.__main__ import Measured, parse_options, report


def test_the_ratio_is_the_median_of_neighbours(capsys: pytest.CaptureFixture[str]) -> None:
    alone, beside = (10.0, 20.0, 10.0), (11.0, 50.0, 12.0)
    pairs = [
        (Measured(1000.0, 1.0, first), Measured(900.0, 2.0, second, 3.0))
        for first, second in zip(alone, beside, strict=True)
    ]
    assert report("a case", "p99", pairs) == pytest.approx(1.2)
    printed = capsys.readouterr().out
    assert "ratio of p99 1.20 (within 2; 1.10, 2.50, 1.20)" in printed
    assert "beside       900 req/s  p50    2.00 ms  p99   12.00 ms   3.00 GB/s" in printed
    assert report("a case", "p99", [(pairs[0][0], Measured(1.0, 1.0, 21.0))]) == pytest.approx(2.1)
    assert "ABOVE 2" in capsys.readouterr().out


def test_the_options_have_defaults() -> None:
    options = parse_options(["--mode", "userspace", "--downloads", "3"])
    assert (options.peers, options.modes, options.downloads) == (["ktlsserve"], [Mode.USERSPACE], 3)
    assert options.scenarios == ["busy", "calm"]
