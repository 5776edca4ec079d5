from __future__ import annotations

import pytest

from loadtests.users.histogram import Histogram


def filled(*times_ms: float) -> Histogram:
    histogram = Histogram()
    for time_ms in times_ms:
        histogram.add(time_ms)
    return histogram


def test_percentiles_are_the_nearest_ranks() -> None:
    histogram = filled(*range(1, 101))
    assert histogram.count == 100
    assert [histogram.percentile_ms(share) for share in (0.0, 0.5, 0.95, 0.99, 1.0)] == [1, 50, 95, 99, 100]
    assert filled(7).percentile_ms(0.99) == 7
    assert Histogram().percentile_ms(0.5) == 0


@pytest.mark.parametrize("time_ms", [0.001, 0.0123, 0.26, 0.9994, 1.2345, 99.96, 12_345.6, 3_600_000])
def test_times_are_wrong_by_half_a_per_cent_at_most(time_ms: float) -> None:
    assert filled(time_ms).percentile_ms(1) == pytest.approx(time_ms, rel=0.005, abs=0.0005)


def test_buckets_are_few() -> None:
    histogram = filled(*(number / 1000 for number in range(1, 200_000)))
    # 999 below a millisecond and 900 for each power of ten above.
    assert len(histogram.pack()) <= 999 + 3 * 900


def test_the_sum_of_two_is_as_if_one_had_counted() -> None:
    one, other = filled(1, 2.5, 300), filled(2.5, 4)
    one.merge(Histogram(other.pack()))
    assert one == filled(1, 2.5, 300, 2.5, 4)
    assert one != other
