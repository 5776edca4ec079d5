"""The comparison with QUIC, whole: real servers, the real client, a network of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests.bench.peers import CHECKOUT
from loadtests.compare.samples import METRICS
from tests.support.faulty_servers import DIES, TCP_ONLY, WRONG_BYTE

pytestmark = pytest.mark.slow

# It ends a run that hangs: how long one takes is nobody's promise here.
_LIMIT_S = 900
SMALLEST = ("--scenario", "small", "--repeats", "1", "--duration", "1")


def compare(out: Path, *arguments: str, module: str = "loadtests.compare") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *SMALLEST, "--out", str(out), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False, cwd=CHECKOUT)


def rows(out: Path) -> dict[str, dict[str, Any]]:
    document = json.loads((out / "results.json").read_text(encoding="utf-8"))
    return {row["server"]: row for row in document["rows"]}


def test_two_servers_are_compared(tmp_path: Path) -> None:
    ended = compare(tmp_path, "--server", "ktlsserve,aioquic", "--kernel", "none")
    assert ended.returncode == 0, ended.stderr
    document = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert document["machine"]["kernel"] == os.uname().release
    found = rows(tmp_path)
    assert {name: row["protocol"] for name, row in found.items()} == {"ktlsserve": "http/1.1", "aioquic": "h3"}
    for row in found.values():
        assert (row["mtu"], row["unit"], row["failures"], row["problem"]) == (1500, "seconds", 0, None)
        assert row["requests"] > 0
        # All that is counted in seconds has a value, and what a server must have used isn't nothing.
        missing = [metric.key for metric in METRICS if row[metric.key] is None]
        assert missing == ["instructions_per_gb", "instructions_per_request"]
        for name in ("cpu_s_per_gb", "cpu_s_per_1000_requests", "requests_per_s", "p50_ms", "syscalls_per_mb"):
            assert row[name] > 0
        assert row["ratio"].keys() >= {"cpu_s_per_gb", "requests_per_s"}
        assert "counted by " in row["detail"]
    assert found["ktlsserve"]["ratio"]["cpu_s_per_gb"]["median"] == 1.0
    assert found["aioquic"]["tcp_retransmits"] == 0
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == ended.stdout[:-1]
    assert "<svg" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_what_is_wrong_is_red_and_never_fast(tmp_path: Path) -> None:
    """A wrong byte, a server that ends, one that only TCP reaches: each loses its row, and the run its status 0."""
    wrong = {
        WRONG_BYTE: "wrong bytes: their SHA-256 is",
        DIES: "",
        TCP_ONLY: "at its start: GET",
    }
    servers = ",".join(["ktlsserve", *wrong])
    ended = compare(tmp_path, "--server", servers, module="tests.support.faulty_servers")
    assert ended.returncode == 1, ended.stderr
    found = rows(tmp_path)
    assert found["ktlsserve"]["problem"] is None
    assert found["ktlsserve"]["cpu_s_per_gb"] > 0
    for name, problem in wrong.items():
        row = found[name]
        assert problem in row["problem"], row["problem"]
        assert row["problem"]
        assert {row[metric.key] for metric in METRICS} == {None}
        assert row["ratio"] == {}
        assert f"**{name} refused**" in ended.stdout
    assert found[WRONG_BYTE]["failures"] > 0


def test_who_is_missing_is_named_and_nobody_there_is_an_error(tmp_path: Path) -> None:
    ended = compare(tmp_path, "--server", "ktlsserve-kernel", "--kernel", "none")
    assert ended.returncode == 2
    assert "none of the servers is here" in ended.stderr
    assert not any(tmp_path.iterdir())
