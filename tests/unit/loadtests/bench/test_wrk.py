from __future__ import annotations

import json

import pytest

from loadtests.bench.errors import RunFailed
from loadtests.bench.workloads import Head, Mode, Persistence, Workload
from loadtests.bench.wrk import parse, script

GOOD = {
    "requests": 1000,
    "bytes": 1_250_000,
    "duration_us": 2_000_000,
    "p50_us": 1500,
    "p99_us": 9000,
    "connect": 0,
    "read": 0,
    "write": 0,
    "status": 0,
    "timeout": 0,
}


def output(**changes: int) -> str:
    text = "Running 1s test @ http://127.0.0.1:1/\n  1000 requests in 2.00s, 1.25MB read\n"
    return f"{text}bench-summary {json.dumps(GOOD | changes)}\n"


def test_a_summary() -> None:
    load = parse(output(), 1024)
    assert (load.requests, load.bytes, load.duration_s, load.p50_ms, load.p99_ms) == (1000, 1_250_000, 2.0, 1.5, 9.0)


@pytest.mark.parametrize("error", ["connect", "read", "write", "status", "timeout"])
def test_a_run_with_an_error_is_no_figure(error: str) -> None:
    with pytest.raises(RunFailed, match=f"{error} 3"):
        parse(output(**{error: 3}), 1024)


def test_a_large_file_under_way_counts_by_its_bytes() -> None:
    load = parse(output(requests=0, bytes=1 << 26), 1 << 26)
    assert (load.requests, load.bytes) == (0, 1 << 26)


@pytest.mark.parametrize("missing", ["bytes", "duration_us"])
def test_a_run_without_answers_is_no_figure(missing: str) -> None:
    with pytest.raises(RunFailed, match="saw no answer"):
        parse(output(**{missing: 0}), 1024)


def test_short_answers_are_no_figure() -> None:
    assert parse(output(bytes=1_024_000), 1024).bytes == 1_024_000
    with pytest.raises(RunFailed, match="1000 answers in 1023999 bytes"):
        parse(output(bytes=1_023_999), 1024)


def test_output_without_a_summary_is_no_figure() -> None:
    with pytest.raises(RunFailed, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1\n", 1024)


def test_only_what_a_workload_asks_for_is_in_its_script() -> None:
    same = script(Workload(Mode.PLAIN, "1KiB"))
    assert "done = function" in same
    assert "request = function" not in same
    assert '"close"' not in same
    other = script(Workload(Mode.PLAIN, "1KiB", Head.UNIQUE, Persistence.CLOSE))
    assert "X-Request-Id" in other
    assert 'wrk.headers["Connection"] = "close"' in other
