from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.kernel.crypto_drivers import CryptoDriver, best_driver, cpu_has_aes, parse_proc_crypto
from tests.support.machines import SAVED_KERNELS, MachineBuilder, saved_proc


def entry(name: str, driver: str, priority: int) -> str:
    return (
        f"name         : {name}\ndriver       : {driver}\nmodule       : kernel\npriority     : {priority}\n"
        "refcnt       : 1\nselftest     : passed\ninternal     : no\ntype         : aead\n\n"
    )


PLAIN = entry("gcm(aes)", "gcm_base(ctr(aes-generic),ghash-clmulni)", 100)
AESNI = entry("gcm(aes)", "generic-gcm-aesni-avx", 500)


def test_the_highest_priority_wins(tmp_path: Path) -> None:
    machine = MachineBuilder(tmp_path).build({"/proc/crypto": entry("sha1", "sha1-ni", 900) + PLAIN + AESNI + PLAIN})
    assert best_driver(machine, "gcm(aes)") == CryptoDriver("gcm(aes)", "generic-gcm-aesni-avx", "kernel", 500)


@pytest.mark.parametrize("kernel", SAVED_KERNELS)
def test_real_kernels_with_the_module(tmp_path: Path, kernel: str) -> None:
    machine = MachineBuilder(tmp_path).build({"/proc/crypto": saved_proc(kernel, "crypto")})
    assert best_driver(machine, "gcm(aes)") == CryptoDriver("gcm(aes)", "generic-gcm-aesni-avx", "aesni_intel", 500)


@pytest.mark.parametrize(
    ("kernel", "driver"),
    [
        ("linux-6.12", "gcm_base(ctr(aes-generic),ghash-clmulni)"),
        ("linux-7.2", "gcm_base(ctr(aes-lib),ghash-lib)"),
    ],
)
def test_real_kernels_without_the_module(tmp_path: Path, kernel: str, driver: str) -> None:
    machine = MachineBuilder(tmp_path).build({"/proc/crypto": saved_proc(kernel, "crypto-without-aesni_intel")})
    found = best_driver(machine, "gcm(aes)")
    assert found is not None
    assert found.driver == driver
    assert not found.is_accelerated


def test_an_algorithm_that_was_never_used_is_not_listed(tmp_path: Path) -> None:
    machine = MachineBuilder(tmp_path).build({"/proc/crypto": entry("__gcm(aes)", "x", 1)})
    assert best_driver(machine, "gcm(aes)") is None
    assert best_driver(MachineBuilder(tmp_path / "empty").build(), "gcm(aes)") is None


def test_paragraphs_that_are_cut_short_are_passed_over() -> None:
    assert parse_proc_crypto("name         : gcm(aes)\n\n\n" + PLAIN) == parse_proc_crypto(PLAIN)


@pytest.mark.parametrize(
    ("driver", "accelerated"),
    [
        ("generic-gcm-aesni", True),
        ("generic-gcm-aesni-avx", True),
        ("generic-gcm-vaes-avx10_256", True),
        ("generic-gcm-vaes-avx512", True),
        ("gcm-aes-lib", True),
        ("gcm-aes-ce", True),
        ("gcm_base(ctr-aes-ce,ghash-neon)", True),
        ("gcm-aes-s390", True),
        ("aes_gcm_p10", True),
        ("gcm_base(ctr-aes-aesni,ghash-clmulni)", True),
        ("gcm_base(ctr(aes-generic),ghash-clmulni)", False),
        ("gcm_base(ctr(aes-generic),ghash-generic)", False),
        ("gcm_base(ctr(aes-lib),ghash-lib)", False),
        ("gcm_base(ctr(aes-aesni),ghash-clmulni)", False),
        ("gcm_base(ctr-aes-neonbs,ghash-neon)", False),
        ("gcm_base(ctr(aes-fixed-time),ghash-generic)", False),
    ],
)
def test_drivers_with_aes_instructions_are_told_by_name(driver: str, accelerated: bool) -> None:
    assert CryptoDriver("gcm(aes)", driver, "kernel", 1).is_accelerated is accelerated


@pytest.mark.parametrize(
    ("cpuinfo", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu vme sse2 aes xsave\n", True),
        ("processor\t: 0\nflags\t\t: fpu vme sse2 vaes\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd evtstrm aes pmull sha1\n", True),
        ("processor\t: 0\nFeatures\t: fp asimd\n", False),
        ("processor\t: 0\nisa\t\t: rv64imafdc\n", None),
        ("", None),
    ],
)
def test_the_cpu_s_aes_instructions(tmp_path: Path, cpuinfo: str, expected: bool | None) -> None:
    assert cpu_has_aes(MachineBuilder(tmp_path).build({"/proc/cpuinfo": cpuinfo})) is expected
