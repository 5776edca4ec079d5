from __future__ import annotations

import platform
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ktlsserve import __version__
from ktlsserve.config.tls import Tls
from ktlsserve.doctor import software_checks
from ktlsserve.doctor.check import Check, Facts, Status
from ktlsserve.doctor.software_checks import SOFTWARE_EXAMINATIONS
from tests.support.kernel_tls import FULL
from tests.support.machines import MachineBuilder


def examine(root: Path) -> dict[str, Check]:
    facts = Facts(MachineBuilder(root).build(), FULL, module_before=None, tls_stat_before=None)
    return {check.id: check for one in SOFTWARE_EXAMINATIONS for check in one.run(facts)}


def test_what_runs_here_is_named(tmp_path: Path) -> None:
    found = examine(tmp_path)
    assert found["software.python"].detail == f"CPython {platform.python_version()}"
    assert found["software.ktlsserve"].detail == __version__
    assert found["software.openssl"].detail.startswith("OpenSSL ")
    assert found["software.pyopenssl"].detail[0].isdigit()
    assert found["software.cryptography"].detail[0].isdigit()
    assert found["software.groups"].detail == " ".join(Tls().groups)
    assert Status.UNKNOWN not in {check.status for check in found.values()}


def test_another_python_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        software_checks, "sys", SimpleNamespace(version_info=(3, 10, 4), implementation=sys.implementation)
    )
    check = examine(tmp_path)["software.python"]
    assert (check.status, check.cure) == (Status.WARN, "use CPython 3.11 or later")


def test_an_openssl_without_the_hybrid_group_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def set_groups(_context: object, names: tuple[str, ...]) -> None:
        if "X25519MLKEM768" in names:
            raise ValueError

    monkeypatch.setattr(software_checks, "set_groups", set_groups)
    check = examine(tmp_path)["software.groups"]
    assert (check.status, check.detail) == (Status.WARN, "X25519 P-256")
    assert "X25519MLKEM768" in check.reason
