"""``python -m loadtests.syscalls`` as a person runs it. What was measured is looked at, never how much it was."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support.processes import children, runs
from tests.support.server import CHECKOUT

CASES = {
    "call/0/1",
    "copy_cache/1500/40",
    "copy_memory/1500/40",
    "sendto/1472/1",
    *(f"{method}/1472/{batch}" for method in ("sendmmsg", "gso", "gso_whole") for batch in (1, 8, 32)),
    "sendfile/16384/1",
    "sendfile/1048576/1",
}


@pytest.mark.slow
def test_a_quick_run_has_a_figure_for_each_case(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "loadtests.syscalls", "--quick", "--rounds", "3", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )
    document = json.loads((tmp_path / "out" / "results.json").read_text())
    refused = {reason.partition(":")[0] for reason in document["absent"]}
    assert refused <= {"GSO", "GSO, left whole"}, "only a kernel without them may lack these"
    left = {case for case in CASES if not (case.startswith("gso") and refused)}
    assert (ended.returncode, document["problems"]) == (0, []), ended.stderr
    assert {case["case"] for case in document["cases"]} >= left

    for case in document["cases"]:
        assert [run["round"] for run in sorted(case["runs"], key=lambda run: run["round"])] == [0, 1, 2]
        for figure in ("call_ns", "packet_ns", "loop_ns", "both_ns"):
            assert all(math.isfinite(value) and value > 0 for value in case[figure].values()), case
    files = [case for case in document["cases"] if case["method"] == "sendfile"]
    assert all(case["both_ns"]["median"] > case["call_ns"]["median"] for case in files), "the receiver takes time too"
    assert all(value > 0 for cost in document["costs"] for value in cost["overhead"].values())

    table = (tmp_path / "out" / "table.md").read_text()
    assert ended.stdout == table
    assert "| **as claimed** | 3 parts | 1 part | 300 % | 9.4 % | 30 |" in table
    assert "MTU 1500" in table or "no namespace of its own" in table
    assert ET.parse(tmp_path / "out" / "plot.svg").getroot().tag.endswith("svg")
    assert ended.stderr.splitlines()[:4] == [
        "[1/4] calibrating",
        "[2/4] round 1 of 3",
        "[3/4] round 2 of 3",
        "[4/4] round 3 of 3",
    ]


@pytest.mark.slow
def test_an_interrupted_run_leaves_nothing_behind() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "loadtests.syscalls", "--quick", "--rounds", "10000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "[1/10001] calibrating\n"
    # The one that receives files.
    (receiver,) = children(process.pid)
    process.send_signal(signal.SIGTERM)
    printed, errors = process.communicate()
    assert (process.returncode, printed) == (130, "")
    assert "Traceback" not in errors
    assert not runs(receiver)
