from __future__ import annotations

import os
from pathlib import Path

import pytest

from ktlsserve.cpus import usable_cpus, worker_cpus
from ktlsserve.errors import StartupError


@pytest.fixture(autouse=True)
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)))


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_affinity_counts_where_there_is_no_control_group(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path, tmp_path / "missing") == 8


@pytest.mark.parametrize(
    ("limit", "cpus"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("250000 100000", 3),
        ("50000 100000", 1),
        ("1600000 100000", 8),
        ("rubbish", 8),
        ("1 0", 8),
    ],
)
def test_quota_of_a_unified_group(tmp_path: Path, limit: str, cpus: int) -> None:
    write(tmp_path / "fs/slice/unit/cpu.max", limit)
    assert usable_cpus(tmp_path / "fs", write(tmp_path / "cgroup", "0::/slice/unit\n")) == cpus


def test_the_narrowest_of_a_group_and_its_parents_counts(tmp_path: Path) -> None:
    write(tmp_path / "fs/slice/cpu.max", "300000 100000")
    write(tmp_path / "fs/slice/unit/cpu.max", "max 100000")
    assert usable_cpus(tmp_path / "fs", write(tmp_path / "cgroup", "0::/slice/unit\n")) == 3


def test_in_a_container_the_mounted_top_is_the_group(tmp_path: Path) -> None:
    write(tmp_path / "fs/cpu.max", "400000 100000")
    assert usable_cpus(tmp_path / "fs", write(tmp_path / "cgroup", "0::/host/path/not/here\n")) == 4


@pytest.mark.parametrize(("quota", "cpus"), [("150000", 2), ("-1", 8)])
def test_quota_of_a_version_1_group(tmp_path: Path, quota: str, cpus: int) -> None:
    write(tmp_path / "fs/cpu/box/cpu.cfs_quota_us", f"{quota}\n")
    write(tmp_path / "fs/cpu/box/cpu.cfs_period_us", "100000\n")
    groups = write(tmp_path / "cgroup", "4:memory:/box\n3:cpu,cpuacct:/box\n")
    assert usable_cpus(tmp_path / "fs", groups) == cpus


def test_workers_get_the_cpus_that_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {3, 1, 2})
    assert worker_cpus(wanted=False) == ()
    assert worker_cpus(wanted=True) == (1, 2, 3)
    assert worker_cpus(wanted=(3, 1)) == (3, 1)
    with pytest.raises(StartupError, match="CPU 0 isn't one that this process may use: 1, 2, 3"):
        worker_cpus(wanted=(3, 0))
