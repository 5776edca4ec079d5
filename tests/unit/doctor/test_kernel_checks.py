from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ktlsserve.doctor.check import Check, Facts, Status
from ktlsserve.doctor.kernel_checks import KERNEL_EXAMINATIONS, cipher_labels
from ktlsserve.kernel.modules import ModuleState
from ktlsserve.kernel.probe import Direction, KernelTls, Refusal
from ktlsserve.tls.suites import Cipher, TlsVersion
from tests.support.kernel_tls import BELOW_FLOORS, FULL, NONE
from tests.support.machines import DEBIAN_13, NO_CAPABILITIES, MachineBuilder, process_status

LOADED: dict[str, str | bytes] = {"/proc/modules": "tls 151552 0 - Live 0x0000000000000000\n"}
INSTALLED: dict[str, str | bytes] = {f"/lib/modules/{DEBIAN_13}/modules.dep": "kernel/net/tls/tls.ko.xz:\n"}
EMPTY: dict[str, str | bytes] = {}
STAT = "TlsTxSw 6\nTlsTxDevice 0\nTlsDecryptError 0\n"


def examine(
    root: Path,
    kernel: KernelTls,
    files: dict[str, str | bytes] = LOADED,
    module_before: ModuleState | None = None,
    tls_stat_before: dict[str, int] | None = None,
) -> dict[str, Check]:
    facts = Facts(MachineBuilder(root).build(files), kernel, module_before, tls_stat_before)
    return {check.id: check for one in KERNEL_EXAMINATIONS for check in one.run(facts)}


def test_a_kernel_with_everything_is_well(tmp_path: Path) -> None:
    found = examine(tmp_path, FULL, {**LOADED, "/proc/net/tls_stat": STAT})
    assert {check.status for check in found.values()} == {Status.OK, Status.INFO}
    assert found["kernel.tx.tls1.3"].detail == "AES-128-GCM AES-256-GCM CHACHA20-POLY1305"
    assert found["kernel.tx.tls1.3"].name == "send TLS 1.3"
    assert found["kernel.rx.tls1.2"].name == "receive TLS 1.2"


def test_every_no_has_a_reason_and_a_cure(tmp_path: Path) -> None:
    for kernel in (NONE, BELOW_FLOORS):
        for check in examine(tmp_path, kernel).values():
            if check.status in {Status.NO, Status.WARN}:
                assert check.reason, check
                assert check.cure, check


def test_without_kernel_tls_everything_that_follows_has_its_reason(tmp_path: Path) -> None:
    found = examine(tmp_path, NONE, INSTALLED)
    for name in ("tls", "tx.tls1.3", "tx.tls1.2", "rx.tls1.3", "rx.tls1.2", "receive", "rekey", "tls_stat"):
        check = found[f"kernel.{name}"]
        assert (check.status, check.reason, check.cure) == (Status.NO, NONE.reason, NONE.cure)


def test_the_ids_are_the_same_whatever_the_kernel_takes(tmp_path: Path) -> None:
    assert examine(tmp_path, NONE).keys() == examine(tmp_path, FULL).keys()


def test_the_release_names_the_version_that_it_hides(tmp_path: Path) -> None:
    banner = "Linux version 6.1.0-39-amd64 () #1 SMP PREEMPT_DYNAMIC Debian 6.1.148-1 (2025-08-26)\n"
    facts = Facts(
        MachineBuilder(tmp_path, release="6.1.0-39-amd64").build({"/proc/version": banner}),
        FULL,
        module_before=None,
        tls_stat_before=None,
    )
    (check,) = KERNEL_EXAMINATIONS[0].run(facts)
    assert check.detail.startswith("6.1.0-39-amd64 (")
    assert check.detail.endswith("built from Linux 6.1.148")
    assert "built from" not in examine(tmp_path / "other", FULL)["kernel.release"].detail


def test_a_module_that_the_probe_had_loaded_is_told(tmp_path: Path) -> None:
    assert "by this probe" in examine(tmp_path, FULL, module_before=ModuleState.LOADABLE)["kernel.module"].detail
    assert "by this probe" not in examine(tmp_path, FULL, module_before=ModuleState.LOADED)["kernel.module"].detail


def test_a_module_that_waits_to_be_loaded_tells_what_keeps_it(tmp_path: Path) -> None:
    unprivileged = process_status(NO_CAPABILITIES)
    check = examine(tmp_path, NONE, {**INSTALLED, "/proc/self/status": unprivileged})["kernel.module"]
    assert (check.status, check.detail) == (Status.NO, "installed, not loaded")
    assert check.reason == "this user may not load it (no CAP_NET_ADMIN)"
    assert check.cure.startswith("load it as root: modprobe tls")


def test_a_module_that_failed_to_load_is_told_apart(tmp_path: Path) -> None:
    check = examine(tmp_path, NONE, INSTALLED)["kernel.module"]
    assert check.reason == "the kernel may load it for this user, and didn't"


@pytest.mark.parametrize(
    ("files", "detail"),
    [
        ({f"/boot/config-{DEBIAN_13}": b""}, "left out of this kernel"),
        ({f"/lib/modules/{DEBIAN_13}/modules.dep": b""}, "not installed for this kernel"),
        ({}, "not determined"),
    ],
)
def test_a_module_that_is_nowhere_is_a_no(tmp_path: Path, files: dict[str, str | bytes], detail: str) -> None:
    check = examine(tmp_path, NONE, files)["kernel.module"]
    assert (check.status, check.detail, check.reason) == (Status.NO, detail, NONE.reason)


def test_a_refused_cipher_is_a_warning_with_the_kernel_s_reason(tmp_path: Path) -> None:
    chacha = (TlsVersion.TLS1_3, Cipher.CHACHA20_POLY1305)
    refusal = Refusal(Direction.TX, *chacha, reason="No such file or directory", cure="modprobe chacha20poly1305")
    kernel = replace(FULL, tx=FULL.tx - {chacha}, refusals=(refusal,))
    found = examine(tmp_path, kernel)
    check = found["kernel.tx.tls1.3"]
    assert (check.status, check.detail) == (Status.WARN, "AES-128-GCM AES-256-GCM")
    assert check.reason == "CHACHA20-POLY1305: No such file or directory"
    assert check.cure == "modprobe chacha20poly1305"
    assert found["kernel.rx.tls1.3"].status is Status.OK
    assert found["kernel.tx.tls1.2"].status is Status.OK


def test_a_version_without_any_cipher_is_a_no(tmp_path: Path) -> None:
    refusals = tuple(
        Refusal(Direction.RX, TlsVersion.TLS1_3, cipher, reason="Invalid argument", cure="newer kernel")
        for cipher in Cipher
    )
    kernel = replace(FULL, rx=frozenset(pair for pair in FULL.rx if pair[0] is TlsVersion.TLS1_2), refusals=refusals)
    check = examine(tmp_path, kernel)["kernel.rx.tls1.3"]
    assert (check.status, check.detail, check.cure) == (Status.NO, "no cipher", "newer kernel")
    assert check.reason.count("Invalid argument") == len(Cipher)


def test_below_the_floors_openssl_receives_and_sending_is_warned_of(tmp_path: Path) -> None:
    found = examine(tmp_path, BELOW_FLOORS)
    assert found["kernel.receive"].status is Status.NO
    assert found["kernel.receive"].detail == "OpenSSL decrypts requests"
    assert "6.12.49" in found["kernel.receive"].reason
    assert (found["kernel.tx_fixes"].status, found["kernel.tx_fixes"].detail) == (Status.WARN, "missing")
    assert found["kernel.rekey"].cure.startswith("use Linux 6.14")


def test_a_kernel_that_only_sends_is_told_apart_from_an_unsafe_one(tmp_path: Path) -> None:
    check = examine(tmp_path, replace(FULL, rx=frozenset()))["kernel.receive"]
    assert (check.status, check.reason) == (Status.NO, "the kernel takes no key for receiving")


def test_the_counters_show_where_the_probe_s_keys_went(tmp_path: Path) -> None:
    files = {**LOADED, "/proc/net/tls_stat": "TlsTxSw 16\nTlsTxDevice 2\nTlsDecryptError 3\n"}
    check = examine(tmp_path, FULL, files, tls_stat_before={"TlsTxSw": 10, "TlsTxDevice": 2})["kernel.tls_stat"]
    assert check.status is Status.OK
    assert "software 6, device 0" in check.detail
    assert check.detail.endswith("TlsDecryptError 3 since the module was loaded")


def test_counters_that_cannot_be_seen_are_a_no(tmp_path: Path) -> None:
    check = examine(tmp_path, FULL)["kernel.tls_stat"]
    assert check.status is Status.NO
    assert "isn't visible" in check.reason


def test_cipher_labels_are_in_the_order_of_the_ciphers() -> None:
    accepted = [(TlsVersion.TLS1_2, Cipher.CHACHA20_POLY1305), (TlsVersion.TLS1_2, Cipher.AES_128_GCM)]
    assert cipher_labels(accepted, TlsVersion.TLS1_2) == "AES-128-GCM CHACHA20-POLY1305"
    assert cipher_labels(accepted, TlsVersion.TLS1_3) == ""
