from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.kernel.tls_stat import parse_tls_stat, read_tls_stat
from tests.support.machines import MachineBuilder, saved_proc


@pytest.mark.parametrize(("kernel", "count", "rekeys"), [("linux-6.12", 12, None), ("linux-7.2", 17, 1)])
def test_counters_of_real_kernels(tmp_path: Path, kernel: str, count: int, rekeys: int | None) -> None:
    machine = MachineBuilder(tmp_path).build({"/proc/net/tls_stat": saved_proc(kernel, "tls_stat")})
    counters = read_tls_stat(machine)
    assert counters is not None
    assert len(counters) == count
    assert (counters["TlsTxSw"], counters["TlsRxSw"], counters["TlsCurrTxSw"]) == (6, 6, 0)
    assert counters.get("TlsTxRekeyOk") == rekeys


def test_without_the_module_there_are_none(tmp_path: Path) -> None:
    assert read_tls_stat(MachineBuilder(tmp_path).build()) is None


def test_lines_of_another_form_are_passed_over() -> None:
    assert parse_tls_stat("\nHeader line here\nTlsTxSw 1\nTlsNew x\nTlsLonely\n") == {"TlsTxSw": 1}
