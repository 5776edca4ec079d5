from __future__ import annotations

import pytest

from loadtests.syscalls.claims import (
    Line,
    claimed_gain,
    claimed_overhead,
    core_gbit_s,
    fit,
    overhead,
    waiting_us,
)


def test_the_claim_is_one_piece_of_arithmetic() -> None:
    assert claimed_overhead(1) == 3.0
    assert claimed_overhead(32) == pytest.approx(0.094, abs=0.001)
    # Four parts for a packet of its own; one and a tenth in a batch.
    assert claimed_gain(32) == pytest.approx(4 / 1.09375)
    assert claimed_gain(1) == 1.0


def test_a_call_is_shared_by_its_packets() -> None:
    assert overhead(200.0, 50.0, 1) == 4.0
    assert overhead(200.0, 50.0, 8) == 0.5
    assert Line(200.0, 50.0).overhead(8) == 0.5
    # 200 / (40 x 50) is a tenth.
    assert Line(200.0, 50.0).batch_for(0.1) == pytest.approx(40)


@pytest.mark.parametrize(
    ("batch", "rate_gbit_s", "expected_us"), [(1, 1, 12.0), (32, 1, 384.0), (32, 10, 38.4), (32, 100, 3.84)]
)
def test_a_batch_fills_at_the_rate_of_the_wire(batch: int, rate_gbit_s: float, expected_us: float) -> None:
    assert waiting_us(batch, rate_gbit_s) == pytest.approx(expected_us)


def test_a_processor_has_a_rate() -> None:
    assert core_gbit_s(1200.0, 1500) == pytest.approx(10.0)


def test_a_line_is_found_again() -> None:
    line = fit({batch: 300.0 + 40.0 * batch for batch in (1, 2, 8, 128)})
    assert line.call_ns == pytest.approx(300.0)
    assert line.packet_ns == pytest.approx(40.0)


def test_a_large_batch_does_not_decide_alone() -> None:
    exact: dict[float, float] = {batch: 300.0 + 40.0 * batch for batch in (1, 2, 4, 8, 16, 32, 64, 128)}
    # A tenth more than it should be: 542 ns, which without weights would move the other end by more than that.
    line = fit(exact | {128: 1.1 * exact[128]})
    assert line.call_ns == pytest.approx(300.0, rel=0.1)


def test_one_point_is_no_line() -> None:
    with pytest.raises(ValueError, match="two batch sizes"):
        fit({32: 1.0})
