from __future__ import annotations

import json

import pytest

from loadtests.compare.samples import METRICS, RowKey, Sample, Unit, sample_from_json, sample_to_json


def test_a_sample_comes_back_from_json() -> None:
    key = RowKey("nginx-h3", "h3", 1500, "large", Unit.INSTRUCTIONS)
    sample = Sample(key, 3, 10, 1, {"instructions_per_gb": 2.5e9}, "one failed", "detail")
    assert sample_from_json(json.loads(json.dumps(sample_to_json(sample)))) == sample


@pytest.mark.parametrize("document", [{}, {"key": {}, "round": 1}, {"key": "ktlsserve"}])
def test_anything_else_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a sample"):
        sample_from_json(document)


def test_no_metric_stands_twice() -> None:
    keys = [metric.key for metric in METRICS]
    assert len(keys) == len(set(keys))
