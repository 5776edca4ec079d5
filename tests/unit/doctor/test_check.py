from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ktlsserve.doctor.check import Check, Examination, Facts, Status
from tests.support.kernel_tls import FULL
from tests.support.machines import MachineBuilder


def facts(root: Path) -> Facts:
    return Facts(MachineBuilder(root).build(), FULL, module_before=None, tls_stat_before=None)


def test_an_examination_returns_all_findings(tmp_path: Path) -> None:
    findings = [Check("a.1", "a", "one", Status.OK, ""), Check("a.2", "a", "two", Status.NO, "", "why", "cure")]
    assert Examination("a", "a", "all", lambda _: findings).run(facts(tmp_path)) == findings


def test_a_failing_examination_reports_itself(tmp_path: Path) -> None:
    def fails(_: Facts) -> Iterator[Check]:
        yield Check("a.1", "a", "one", Status.OK, "")
        raise PermissionError(13, "Permission denied", "/proc/crypto")

    (finding,) = Examination("a", "group", "name", fails).run(facts(tmp_path))
    assert (finding.id, finding.group, finding.name, finding.status) == ("a", "group", "name", Status.UNKNOWN)
    assert finding.reason == "PermissionError: [Errno 13] Permission denied: '/proc/crypto'"
