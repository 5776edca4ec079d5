from __future__ import annotations

from pathlib import Path

from ktlsserve.kernel.tls_stat import parse_tls_stat, read_tls_stat
from tests.support.machines import MachineBuilder

LINUX_6_12 = (
    "TlsCurrTxSw                     \t0\n"
    "TlsCurrRxSw                     \t0\n"
    "TlsTxSw                         \t7\n"
    "TlsRxSw                         \t6\n"
    "TlsDecryptError                 \t0\n"
)


def test_counters_are_read_by_the_kernel_s_names(tmp_path: Path) -> None:
    machine = MachineBuilder(tmp_path).build({"/proc/net/tls_stat": LINUX_6_12})
    expected = {"TlsCurrTxSw": 0, "TlsCurrRxSw": 0, "TlsTxSw": 7, "TlsRxSw": 6, "TlsDecryptError": 0}
    assert read_tls_stat(machine) == expected


def test_without_the_module_there_are_none(tmp_path: Path) -> None:
    assert read_tls_stat(MachineBuilder(tmp_path).build()) is None


def test_lines_of_another_form_are_passed_over() -> None:
    assert parse_tls_stat("\nHeader line here\nTlsTxSw 1\nTlsNew x\nTlsLonely\n") == {"TlsTxSw": 1}
