"""The probe against a kernel that has kTLS: what it finds is what the kernel then does."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ktlsserve.doctor import run_doctor
from ktlsserve.kernel import ktls
from ktlsserve.kernel.floors import KernelVersion, rx_floor
from ktlsserve.kernel.machine import CAP_NET_ADMIN, Machine
from ktlsserve.kernel.modules import ModuleState, module_state
from ktlsserve.kernel.probe import loopback_connection, machine_version, probe_kernel_tls
from ktlsserve.kernel.tls_stat import read_tls_stat
from ktlsserve.tls.crypto_info import TrafficKeys, pack_crypto_info
from ktlsserve.tls.suites import Cipher, TlsVersion
from tests.support.ktls_kernel import loopback_pair

EVERYTHING = frozenset((version, cipher) for version in TlsVersion for cipher in Cipher)
NOBODY = 65534


def own_version() -> KernelVersion:
    version = machine_version(Machine())
    assert version is not None
    return version


def test_the_kernel_takes_every_version_and_cipher_both_ways() -> None:
    found = probe_kernel_tls()
    assert (found.available, found.reason) == (True, "")
    assert found.tx == EVERYTHING
    assert found.rx == EVERYTHING
    assert found.refusals == ()


def test_rekey_is_found_where_the_kernel_counts_it() -> None:
    """Linux 6.14 brought the counters together with the feature."""
    found = probe_kernel_tls()
    counters = read_tls_stat(Machine())
    assert counters is not None
    assert found.rekey is ("TlsTxRekeyOk" in counters)


def test_what_came_with_a_version_is_found_from_that_version_on() -> None:
    found = probe_kernel_tls()
    assert found.max_payload_len is (own_version() >= KernelVersion(6, 19, 0))
    assert found.rx_safe is (rx_floor(own_version()).met is True)


def test_the_probe_leaves_nothing_behind() -> None:
    before_stat = read_tls_stat(Machine())
    before_files = set(Path("/proc/self/fd").iterdir())
    probe_kernel_tls()
    after_stat = read_tls_stat(Machine())
    assert set(Path("/proc/self/fd").iterdir()) == before_files
    assert before_stat is not None
    assert after_stat is not None
    assert after_stat["TlsTxSw"] - before_stat["TlsTxSw"] == len(EVERYTHING)
    for current in ("TlsCurrTxSw", "TlsCurrRxSw"):
        assert after_stat[current] == before_stat[current]


@pytest.mark.parametrize(("version", "cipher"), sorted(EVERYTHING, key=str))
def test_a_cipher_that_the_probe_found_carries_data(version: TlsVersion, cipher: Cipher) -> None:
    iv_bytes = 12 if version is TlsVersion.TLS1_3 else cipher.value.fixed_iv_bytes
    keys = TrafficKeys(version, cipher, os.urandom(cipher.value.key_bytes), os.urandom(iv_bytes))
    crypto_info = pack_crypto_info(keys, rec_seq=3)
    with loopback_pair() as (sender, receiver):
        for end in (sender, receiver):
            ktls.attach_ulp(end)
        ktls.install_tx(sender, crypto_info)
        ktls.install_rx(receiver, crypto_info)
        sender.sendall(b"as the probe said")
        assert ktls.receive_record(receiver, 100) == (ktls.TLS_RECORD_TYPE_DATA, b"as the probe said")


def in_child(action: Callable[[], Any], *, unprivileged: bool) -> Any:
    """Return what ``action`` returns in a child process, as JSON carries it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            if unprivileged:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writer, json.dumps(action()).encode())
            status = 0
        except BaseException:  # noqa: BLE001 - the child must never return into the test run
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(answer)


def probed() -> tuple[bool, str, str]:
    found = probe_kernel_tls()
    return found.available, found.reason, found.cure


@pytest.fixture
def without_module() -> Iterator[None]:
    """Take the module out of the kernel, and have it loaded again afterwards."""
    if "KTLSSERVE_GUEST" not in os.environ:
        pytest.skip("probed for a guest (KTLSSERVE_GUEST): none; modules aren't taken out of a machine in use")
    subprocess.run(["rmmod", "tls"], check=True)
    yield
    with loopback_connection() as sock:
        ktls.attach_ulp(sock)


@pytest.mark.usefixtures("without_module")
def test_the_kernel_loads_the_module_for_root() -> None:
    assert Machine().has_capability(CAP_NET_ADMIN)
    assert module_state(Machine(), "tls", "CONFIG_TLS") is not ModuleState.LOADED
    assert probe_kernel_tls().available
    assert module_state(Machine(), "tls", "CONFIG_TLS") is ModuleState.LOADED


@pytest.mark.usefixtures("without_module")
def test_the_kernel_does_not_load_it_for_others_and_the_probe_says_so() -> None:
    available, reason, cure = in_child(probed, unprivileged=True)
    assert available is False
    assert "this user may not load it (no CAP_NET_ADMIN)" in reason
    assert "modprobe tls" in cure
    assert read_tls_stat(Machine()) is None


def test_once_loaded_anybody_may_use_it() -> None:
    assert in_child(probed, unprivileged=True) == [True, "", ""]


def doctor_as_json() -> Any:
    out = io.StringIO()
    assert run_doctor(as_json=True, out=out) == 0
    return json.loads(out.getvalue())


@pytest.mark.parametrize("unprivileged", [False, True])
def test_the_doctor_examines_all_of_it_with_or_without_privileges(unprivileged: bool) -> None:
    report = in_child(doctor_as_json, unprivileged=unprivileged)
    checks = {check["id"]: check for check in report["checks"]}
    assert report["verdict"].startswith("The kernel can encrypt here: tls=kernel, TLS 1.3 and TLS 1.2, AES-128-GCM")
    assert not [check for check in report["checks"] if check["status"] == "unknown"]
    for check_id in ("kernel.tls", "kernel.module", "kernel.tx.tls1.3", "kernel.rx.tls1.2"):
        assert checks[check_id]["status"] == "ok", checks[check_id]
    assert checks["speed.driver"]["detail"] != "none in use"
    assert "software 6, device 0" in checks["kernel.tls_stat"]["detail"]
