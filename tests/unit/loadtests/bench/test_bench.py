from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from loadtests.bench.__main__ import main


@pytest.mark.slow
def test_the_quickest_bench(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for program in ("wrk", "openssl", "taskset"):
        if shutil.which(program) is None:
            pytest.skip(f"looked for {program} on PATH, and it isn't installed")
    name = "plain/10KiB/same/keep-alive/16"
    options = ["--peer", "ktlsserve", "--workload", name, "--repeats", "1", "--duration", "1", "--out", str(tmp_path)]
    assert main(options) == 0
    results = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    (sample,) = results["samples"]
    assert (sample["case"], sample["peer"], sample["problem"]) == (name, "ktlsserve", "")
    values = sample["values"]
    assert values["requests_per_s"] > 0
    assert values["cpu_s_per_1000_requests"] > 0
    assert (tmp_path / "bench.md").read_text(encoding="utf-8") == capsys.readouterr().out[:-1]
    assert (tmp_path / "bench.svg").exists()


def test_a_case_that_does_not_exist_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--workload", "11KiB"]) == 2
    assert "no case has 11KiB in its name" in capsys.readouterr().err


def test_cases_and_peers_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--peer", "nginx"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "case userspace/handshakes" in lines
    assert lines[-1] == "peer nginx"
