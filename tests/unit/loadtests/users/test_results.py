from __future__ import annotations

import json
from pathlib import Path

from loadtests.users.results import Run, results, write_results
from loadtests.users.tally import HANDSHAKE, Tally


def tally() -> Tally:
    counted = Tally()
    for time_ms in range(1, 101):
        counted.count("GET", "page", time_ms, 10, protocol="HTTP/3")
    counted.count("GET", "video", 5, 0, error="no answer")
    counted.count(HANDSHAKE, "QUIC", 7, 0)
    return counted


def test_the_results() -> None:
    assert results(tally(), Run(2.0, processes=3, cpu_s=0.202)) == {
        "requests": 101,
        "failures": 1,
        "duration_s": 2.0,
        "bytes": 1000,
        "processes": 3,
        "cpu_s": 0.202,
        "cpu_ms_per_request": 2.0,
        "by_name": {
            "page": {"requests": 100, "failures": 0, "p50_ms": 50, "p95_ms": 95, "p99_ms": 99, "bytes": 1000},
            "video": {"requests": 1, "failures": 1, "p50_ms": 0, "p95_ms": 0, "p99_ms": 0, "bytes": 0},
        },
        "handshakes": {"QUIC": {"requests": 1, "failures": 0, "p50_ms": 7, "p95_ms": 7, "p99_ms": 7, "bytes": 0}},
        "protocols": {"HTTP/3": 100},
        "errors": [{"name": "video", "error": "no answer", "occurrences": 1}],
        "trouble": [],
    }


def test_what_wasnt_measured_is_no_figure() -> None:
    assert results(tally(), Run(1.0))["cpu_ms_per_request"] is None
    assert results(Tally(), Run(1.0, cpu_s=1.0))["cpu_ms_per_request"] is None


def test_the_file_is_json(tmp_path: Path) -> None:
    found = results(tally(), Run(1.0))
    write_results(found, tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text()) == found
    assert [file.name for file in tmp_path.iterdir()] == ["r.json"]
