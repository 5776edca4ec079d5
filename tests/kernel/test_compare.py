"""The comparison's rows for kernel TLS, in a kernel that has it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.baselines import BASELINES
from loadtests.bench.certificate import make_certificate
from loadtests.bench.workloads import SIZES, Mode, target
from loadtests.compare.guest_side import GuestCase, measure

FEW = GuestCase("10 KiB thrice", "10KiB", 3, "instructions_per_request", warm_up=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    file = tmp_path / "tree" / target("10KiB").lstrip("/")
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(SIZES["10KiB"]))
    make_certificate(tmp_path / "server.pem")
    return tmp_path


def test_the_row_for_kernel_tls_is_what_it_says(folder: Path) -> None:
    (sample,) = measure(folder, ("ktlsserve-kernel",), (FEW,), 1, 65536)
    assert (sample.key.server, sample.requests, sample.problem) == ("ktlsserve-kernel", 3, "")
    assert sample.values["instructions_per_request"] > 0


def test_a_row_for_kernel_tls_without_it_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own count decides, not what a server is called or says."""
    monkeypatch.setitem(BASELINES, "ktlsserve-kernel", replace(BASELINES["ktlsserve-kernel"], mode=Mode.USERSPACE))
    (sample,) = measure(folder, ("ktlsserve-kernel",), (FEW,), 1, 65536)
    assert sample.problem == "the kernel encrypted for no connection"
    assert sample.values == {}
