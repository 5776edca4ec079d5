from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from ktlsserve import doctor
from ktlsserve.doctor import Status, examine, run_doctor
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.probe import KernelTls
from tests.support.kernel_tls import FULL, NONE
from tests.support.machines import MachineBuilder


def test_the_report_of_this_machine_has_every_group_and_nothing_failed() -> None:
    out = io.StringIO()
    assert run_doctor(as_json=False, out=out) == 0
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("The kernel can")
    groups = ["kernel TLS", "encryption speed", "network", "limits and confinement", "software"]
    assert [line for line in lines if line in groups] == groups
    assert "the check itself failed" not in out.getvalue()


def test_json_and_text_have_the_same_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "probe_kernel_tls", lambda _: NONE)
    as_json, as_text = io.StringIO(), io.StringIO()
    assert run_doctor(as_json=True, out=as_json) == run_doctor(as_json=False, out=as_text) == 0
    found = json.loads(as_json.getvalue())
    assert as_text.getvalue().startswith(found["verdict"])
    for check in found["checks"]:
        assert check["name"] in as_text.getvalue()
    assert found["kernel"]["available"] is False


def test_the_ids_are_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "probe_kernel_tls", lambda _: FULL)
    ids = [check.id for check in examine(Machine()).checks]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"/proc/crypto": b"priority : many\nname : gcm(aes)\ndriver : x\n", "/proc/net/tls_stat": b"\xff\xfe"},
        {"/proc/self/status": "CapEff:\tnot hexadecimal\n", "/proc/sys/net/core/somaxconn": ""},
        {"/proc/config.gz": b"\x1f\x8b\x08broken"},
    ],
)
def test_no_file_that_is_missing_or_broken_ends_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str | bytes]
) -> None:
    machine = MachineBuilder(tmp_path).build(files)
    out = io.StringIO()
    assert run_doctor(as_json=True, out=out, machine=machine) == 0
    assert {check["group"] for check in json.loads(out.getvalue())["checks"]} >= {"kernel TLS", "network", "software"}


def test_folders_in_the_place_of_files_end_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("modules", "net/tls_stat", "crypto", "cpuinfo"):
        (tmp_path / "proc" / name).mkdir(parents=True)
    monkeypatch.setattr(doctor, "probe_kernel_tls", lambda _: NONE)
    report = examine(MachineBuilder(tmp_path).build())
    failed = {check.id for check in report.checks if check.status is Status.UNKNOWN}
    assert {"kernel.module", "kernel.tls_stat", "speed.driver", "speed.cpu"} <= failed
    assert any(check.status is Status.OK for check in report.checks)


def test_the_module_and_the_counters_are_read_before_the_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = MachineBuilder(tmp_path)
    before: dict[str, str | bytes] = {
        f"/lib/modules/{builder.release}/modules.dep": "kernel/net/tls/tls.ko.xz:\n",
    }

    def probing_changes_things(_: Machine) -> KernelTls:
        builder.build({"/proc/modules": "tls 1 0 - Live 0x0\n", "/proc/net/tls_stat": "TlsTxSw 6\n"})
        return FULL

    monkeypatch.setattr(doctor, "probe_kernel_tls", probing_changes_things)
    found = {check.id: check.detail for check in examine(builder.build(before)).checks}
    assert found["kernel.module"] == "loaded, by this probe: the kernel loads it for this user"
    assert "software 6, device 0" in found["kernel.tls_stat"]
