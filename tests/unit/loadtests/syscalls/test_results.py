from __future__ import annotations

import json

import pytest

from loadtests.bench.comparing import Spread
from loadtests.syscalls.measuring import Measured
from loadtests.syscalls.results import PAYLOAD_BYTES, Results, both_ns, call_ns, costs, gain, gains, packet_ns, to_json
from loadtests.syscalls.subjects import Case, Method
from tests.support.call_measurements import exact_results, measured


def test_figures_are_medians_with_their_ends() -> None:
    result = measured(Case(Method.SENDMMSG, PAYLOAD_BYTES, 10), [300.0, 100.0, 200.0], receiver_ns=5.0)
    assert call_ns(result) == Spread(200.0, 100.0, 300.0, 3)
    assert packet_ns(result) == Spread(20.0, 10.0, 30.0, 3)
    assert both_ns(result).median == 205.0


def test_gains_are_those_of_the_same_round() -> None:
    one = measured(Case(Method.SENDTO, PAYLOAD_BYTES), [100.0, 200.0, 900.0])
    many = measured(Case(Method.SENDMMSG, PAYLOAD_BYTES, 2), [100.0, 200.0, 600.0])
    assert gain(one, many) == Spread(2.0, 2.0, 3.0, 3)
    # A round that failed takes its partner along.
    del one.runs[2]
    assert gain(one, many) == Spread(2.0, 2.0, 2.0, 2)
    one.runs.clear()
    assert gain(one, many) is None


def test_costs_are_found_in_each_sense() -> None:
    lines = {cost.name: cost.line for cost in costs(exact_results())}
    assert list(lines) == [
        "getppid, and a copy from the cache",
        "getppid, and a copy from memory",
        "sendmmsg",
        "GSO",
        "sendfile",
    ]
    assert lines["getppid, and a copy from the cache"].overhead(1) == pytest.approx(3.0)
    assert lines["getppid, and a copy from memory"].overhead(1) == pytest.approx(1.5)
    assert lines["sendmmsg"].overhead(1) == pytest.approx(1 / 3)
    for name, of_call, of_packet in (("GSO", 1000.0, 50.0), ("sendfile", 500.0, 60.0)):
        assert lines[name].call_ns == pytest.approx(of_call)
        assert lines[name].packet_ns == pytest.approx(of_packet)


def test_gains_of_a_batch_of_32() -> None:
    found = dict(gains(exact_results()))
    assert found["sendmmsg"].median == pytest.approx(1200 * 32 / (300 + 900 * 32))
    assert found["GSO"].median == pytest.approx(1200 * 32 / (1000 + 50 * 32))


def test_what_failed_has_no_figure_but_is_told() -> None:
    failed = Measured(Case(Method.GSO, PAYLOAD_BYTES, 32), 10, problems=["7 of 9 arrived", "7 of 9 arrived"])
    results = Results("", {}, (), [failed])
    assert results.find(Method.GSO) == []
    assert results.problems() == ["7 of 9 arrived"]
    assert costs(results) == []
    (case,) = json.loads(json.dumps(to_json(results)))["cases"]
    assert "call_ns" not in case
    assert case["problems"] == failed.problems


def test_all_is_in_the_json() -> None:
    document = json.loads(json.dumps(to_json(exact_results(absent=["GSO: no"]))))
    assert document["absent"] == ["GSO: no"]
    assert document["waiting_us"]["32"] == {"1": 384.0, "10": pytest.approx(38.4), "100": pytest.approx(3.84)}
    assert document["gains"]["claimed"] == pytest.approx(3.657, abs=0.001)
    by_case = {case["case"]: case for case in document["cases"]}
    assert by_case["call/0/1"]["call_ns"] == {"median": 300.0, "least": 290.0, "greatest": 330.0, "count": 3}
    assert "core_gbit_s" not in by_case["call/0/1"]
    # 1,472 bytes in 1,200 ns.
    assert by_case["sendto/1472/1"]["core_gbit_s"] == pytest.approx(9.813, abs=0.001)
    assert [run["round"] for run in by_case["call/0/1"]["runs"]] == [0, 1, 2]
