from __future__ import annotations

import re

import pytest

from ktlsserve.admin.metrics import METRICS, Metric
from tests.support.snapshots import snapshot


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_and_texts_are_as_prometheus_wants_them(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", metric.name)
    assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert metric.help.endswith(".")
    assert len(set(metric.labels)) == len(metric.labels)
    assert not set(metric.labels) & {"le", "quantile", "job", "instance"}


def test_each_name_is_there_once() -> None:
    names = [metric.full_name for metric in METRICS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_values_have_as_many_labels_as_are_named(metric: Metric) -> None:
    values = metric.values(snapshot(kernel={"TlsTxSw": 1}))
    assert all(len(labels) == len(metric.labels) for labels in values)
