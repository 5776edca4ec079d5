from __future__ import annotations

import pytest

from ktlsserve.kernel.floors import KernelVersion, kernel_version, rx_floor, tx_floor
from tests.support.machines import saved_proc

BOOKWORM = (
    "Linux version 6.1.0-39-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0, GNU ld"
    " (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.148-1 (2025-08-26)"
)


@pytest.mark.parametrize(
    ("release", "banner", "signature", "expected"),
    [
        ("6.12.107+deb13-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1 (2026-09-20)", "", (6, 12, 107)),
        ("6.1.0-39-amd64", BOOKWORM, "", (6, 1, 148)),
        ("6.1.0-39-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.148-1 (2025-08-26)", "", (6, 1, 148)),
        ("6.1.0-39-cloud-amd64", "", "", (6, 1, 0)),
        ("6.12.43+deb12-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.12.43-1~bpo12+1 (2025-09-06)", "", (6, 12, 43)),
        ("7.0-rc5-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 7.0~rc5-1~exp1 (2026-03-23)", "", (7, 0, -1)),
        ("6.8.0-60-generic", "#63-Ubuntu SMP", "Ubuntu 6.8.0-60.63-generic 6.8.12\n", (6, 8, 12)),
        ("6.17.0-rc3+", "#4 SMP", "", (6, 17, -1)),
        ("6.17-rc3", "", "", (6, 17, -1)),
        ("6.18.44-microvm", "#1 SMP PREEMPT_DYNAMIC @0", "", (6, 18, 44)),
        ("5.14.0-503.el9.x86_64", "#1 SMP PREEMPT_DYNAMIC Thu Jan 1", "", (5, 14, 0)),
        ("6.16.8-arch1-1", "", "", (6, 16, 8)),
        ("7.2", "", "", (7, 2, 0)),
        ("5.15.167.4-microsoft-standard-WSL2", "", "", (5, 15, 167)),
    ],
)
def test_the_stable_version_is_found_where_the_distribution_keeps_it(
    release: str, banner: str, signature: str, expected: tuple[int, int, int]
) -> None:
    assert kernel_version(release, banner, signature) == KernelVersion(*expected)


@pytest.mark.parametrize(("kernel", "expected"), [("linux-6.12", (6, 12, 117)), ("linux-7.2", (7, 2, 12))])
def test_the_banner_of_real_kernels(kernel: str, expected: tuple[int, int, int]) -> None:
    banner = saved_proc(kernel, "version")
    abi_name = "{}.{}.0-1-amd64".format(*expected)
    assert kernel_version(banner.split()[2], banner) == KernelVersion(*expected)
    assert kernel_version(abi_name, banner) == KernelVersion(*expected)


def test_the_banner_of_another_series_is_not_believed() -> None:
    """A kernel of one's own, packaged on Debian, whose banner names what it was built with."""
    assert kernel_version("6.12.20", "#1 SMP Debian 6.1.148-1") == KernelVersion(6, 12, 20)


def test_the_compiler_in_the_banner_is_not_taken_for_the_kernel() -> None:
    assert kernel_version("14.2.0", "x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0, GNU ld") == KernelVersion(
        14, 2, 0
    )


@pytest.mark.parametrize("release", ["", "unknown", "-6.1", "v6"])
def test_a_release_without_a_version_gives_none(release: str) -> None:
    assert kernel_version(release, BOOKWORM) is None


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((6, 1, 153), False),
        ((6, 1, 154), True),
        ((6, 1, 999), True),
        ((6, 6, 107), False),
        ((6, 6, 108), True),
        ((6, 12, 48), False),
        ((6, 12, 49), True),
        ((6, 16, 200), False),
        ((6, 17, -1), False),
        ((6, 17, 0), True),
        ((6, 17, 1), True),
        ((6, 18, -1), True),
        ((7, 0, 0), True),
        ((7, 3, 4), True),
        ((10, 0, 0), True),
        ((5, 15, 999), False),
        ((5, 10, 999), False),
        ((6, 11, 999), False),
        ((6, 8, 12), False),
        ((4, 19, 999), False),
    ],
)
def test_receiving_is_safe_from_the_floor_of_each_series(version: tuple[int, int, int], safe: bool) -> None:
    verdict = rx_floor(KernelVersion(*version))
    assert verdict.met is safe
    assert bool(verdict.cure) is not safe
    assert str(KernelVersion(*version)) in verdict.reason


@pytest.mark.parametrize(
    ("version", "met"),
    [
        ((6, 1, 186), False),
        ((6, 1, 187), True),
        ((6, 12, 104), False),
        ((6, 12, 105), True),
        ((7, 2, -1), None),
        ((7, 2, 0), True),
        ((7, 3, 0), True),
        ((8, 0, 0), True),
        ((7, 1, 99), None),
        ((6, 18, 44), None),
        ((6, 6, 999), None),
        ((5, 15, 999), None),
    ],
)
def test_sending_is_warned_of_below_the_floor_and_where_nothing_is_known(
    version: tuple[int, int, int], met: bool | None
) -> None:
    verdict = tx_floor(KernelVersion(*version))
    assert verdict.met is met
    assert bool(verdict.cure) is not (met is True)


def test_an_unknown_series_says_that_it_is_not_determined() -> None:
    assert "not determined" in tx_floor(KernelVersion(6, 18, 44)).reason


def test_without_a_version_nothing_is_safe() -> None:
    assert rx_floor(None).met is False
    assert tx_floor(None).met is None
    assert rx_floor(None).cure
    assert tx_floor(None).cure


def test_the_reason_names_the_release_that_has_the_fix() -> None:
    assert "6.12.49" in rx_floor(KernelVersion(6, 12, 48)).reason
    assert "6.1.187" in tx_floor(KernelVersion(6, 1, 0)).reason


def test_a_candidate_comes_before_its_release() -> None:
    assert KernelVersion(6, 17, -1) < KernelVersion(6, 17, 0)
    assert str(KernelVersion(6, 17, -1)) == "6.17-rc"
