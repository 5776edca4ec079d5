from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ktlsserve.doctor import confinement_checks
from ktlsserve.doctor.check import Check, Facts, Status
from ktlsserve.doctor.confinement_checks import CONFINEMENT_EXAMINATIONS
from ktlsserve.doctor.confinement_trial import Trial
from ktlsserve.kernel.privileges import CAP_DAC_READ_SEARCH
from tests.support.kernel_tls import FULL
from tests.support.machines import MachineBuilder

ALL = Trial(7, ("files", "TCP", "signals"), new_privileges=False, dumpable=False, capabilities=0, warnings=())


def examine(monkeypatch: pytest.MonkeyPatch, root: Path, trial: Trial) -> dict[str, Check]:
    monkeypatch.setattr(confinement_checks, "landlock_abi", lambda: trial.landlock_abi)
    monkeypatch.setattr(confinement_checks, "try_confinement", lambda: trial)
    facts = Facts(MachineBuilder(root).build({}), FULL, module_before=None, tls_stat_before=None)
    return {check.id: check for one in CONFINEMENT_EXAMINATIONS for check in one.run(facts)}


@pytest.mark.parametrize(
    ("trial", "status", "detail", "reason"),
    [
        (ALL, Status.OK, "ABI 7 confines workers: files, TCP, signals", ""),
        (replace(ALL, landlock_abi=0), Status.NO, "not available", "Linux before 5.13"),
        (replace(ALL, landlock_abi=1), Status.INFO, "ABI 1 confines workers: files", "TCP from 6.7 on"),
        (replace(ALL, landlock_abi=4), Status.INFO, "ABI 4 confines workers: files, TCP", "signals from 6.12 on"),
        (
            replace(ALL, refused=("files",), warnings=("not confined by it: E",)),
            Status.WARN,
            "ABI 7 confines workers: files",
            "could still do this: TCP, signals; not confined by it: E",
        ),
    ],
)
def test_landlock(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trial: Trial, status: Status, detail: str, reason: str
) -> None:
    check = examine(monkeypatch, tmp_path, trial)["limits.landlock"]
    assert (check.status, check.detail) == (status, detail)
    assert reason in check.reason


@pytest.mark.parametrize(
    ("trial", "status", "detail"),
    [
        (ALL, Status.OK, "workers: no new privileges, not dumpable, no capabilities"),
        (
            replace(ALL, capabilities=1 << CAP_DAC_READ_SEARCH),
            Status.OK,
            f"workers: no new privileges, not dumpable, {confinement_checks.ROOT_KEEPS}",
        ),
        (replace(ALL, capabilities=0x3FF), Status.WARN, "workers: no new privileges, not dumpable"),
        (replace(ALL, dumpable=True), Status.WARN, "workers: no new privileges, no capabilities"),
        (replace(ALL, new_privileges=True, warnings=("why",)), Status.WARN, "workers: not dumpable, no capabilities"),
    ],
)
def test_privileges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trial: Trial, status: Status, detail: str) -> None:
    check = examine(monkeypatch, tmp_path, trial)["limits.privileges"]
    assert (check.status, check.detail) == (status, detail)
    assert bool(check.reason) == (status is Status.WARN)


@pytest.mark.parametrize(
    ("uid", "status", "detail"),
    [
        (0, Status.INFO, "workers run as root (0)"),
        (1, Status.OK, "workers run as daemon (1)"),
        (4_000_000_000, Status.OK, "workers run as 4000000000"),
    ],
)
def test_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uid: int, status: Status, detail: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    check = examine(monkeypatch, tmp_path, ALL)["limits.user"]
    assert (check.status, check.detail, bool(check.cure)) == (status, detail, uid == 0)
