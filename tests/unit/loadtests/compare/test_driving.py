from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests.baselines import Protocol
from loadtests.bench.errors import RunFailed
from loadtests.bench.processors import choose_here
from loadtests.compare.driving import Order, drive, parse_load

ROW = {"requests": 10, "failures": 0, "p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0, "bytes": 10240}


def results(**changes: object) -> str:
    found = {"requests": 10, "failures": 0, "duration_s": 2.0, "bytes": 10240, "by_name": {"small": ROW}}
    return json.dumps(found | {"protocols": {"HTTP/3": 10}, "errors": [], "trouble": []} | changes)


def test_what_the_client_did() -> None:
    load = parse_load(results(), Protocol.HTTP_3)
    assert (load.requests, load.failures, load.duration_s, load.bytes) == (10, 0, 2.0, 10240)
    assert load.percentiles_ms == {"p50_ms": 1.0, "p95_ms": 2.0, "p99_ms": 3.0}
    assert load.problem == ""


def test_what_failed_is_said() -> None:
    errors = [{"name": "small", "error": "other bytes than the file's", "occurrences": 2}]
    load = parse_load(results(failures=2, errors=errors), Protocol.HTTP_3)
    assert load.problem == "2 of 10 requests failed: other bytes than the file's (2 times)"


def test_an_answer_by_another_protocol_is_no_figure() -> None:
    with pytest.raises(RunFailed, match="did not come by HTTP/3"):
        parse_load(results(protocols={"HTTP/3": 9, "HTTP/1.1": 1}), Protocol.HTTP_3)


def test_answers_of_an_unknown_protocol_are_no_figure() -> None:
    with pytest.raises(RunFailed, match="10 requests succeeded, 9 by HTTP/3"):
        parse_load(results(protocols={"HTTP/3": 9}), Protocol.HTTP_3)


def test_no_request_is_no_figure() -> None:
    """A server that is asked nothing costs nothing: that isn't fast."""
    with pytest.raises(RunFailed, match="no request"):
        parse_load(results(requests=0, by_name={}, protocols={}), Protocol.HTTP_3)


def test_a_client_in_trouble_gives_no_figure() -> None:
    with pytest.raises(RunFailed, match="users ended by a bug"):
        parse_load(results(trouble=["users ended by a bug, 4 times: 31"]), Protocol.HTTP_3)


def test_a_client_that_cannot_start_is_no_figure(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    order = Order(missing, missing, missing, users=1, duration_s=1)
    with pytest.raises(RunFailed, match=r"without results: .*missing"):
        drive("https://127.0.0.1:9", Protocol.HTTP_1_1, order, choose_here(), tmp_path)
