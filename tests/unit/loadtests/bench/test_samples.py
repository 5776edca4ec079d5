from __future__ import annotations

import json

import pytest

from loadtests.bench.samples import Sample, sample_from_json, sample_to_json


@pytest.mark.parametrize(
    "sample",
    [
        Sample("guest/64MiB", "nginx", 1, {"instructions_per_gigabyte": 4.5e9}),
        Sample("a", "b", 0, problem="status 500"),
        Sample("a", "b", 0, {"syscalls_per_request": 2.0}, detail="read 2.00"),
    ],
)
def test_samples_survive_json(sample: Sample) -> None:
    assert sample_from_json(json.loads(json.dumps(sample_to_json(sample)))) == sample


@pytest.mark.parametrize("document", [{}, {"case": "a", "peer": "b", "round": "0", "values": {}}])
def test_other_documents_are_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not a sample"):
        sample_from_json(document)
