from __future__ import annotations

import re
import resource
import socket
from pathlib import Path

import pytest

from ktlsserve.config import Limits
from ktlsserve.doctor import machine_checks
from ktlsserve.doctor.check import Check, Facts, Status
from ktlsserve.doctor.machine_checks import MACHINE_EXAMINATIONS
from ktlsserve.kernel import ethtool
from ktlsserve.kernel.ethtool import Feature
from tests.support.kernel_tls import FULL
from tests.support.machines import DEBIAN_13, MachineBuilder

X86 = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse2 aes avx\n"
X86_PLAIN = "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu sse2\n"
ARM64 = "processor\t: 0\nFeatures\t: fp asimd aes pmull\n"
TEMPLATE = "name         : gcm(aes)\ndriver       : gcm_base(ctr(aes-generic),ghash-clmulni)\npriority     : 100\n\n"
AESNI = (
    "name         : gcm(aes)\ndriver       : generic-gcm-aesni-avx\nmodule       : aesni_intel\npriority     : 500\n\n"
)
AESNI_LOADED = "aesni_intel 122880 0 - Live 0x0000000000000000\n"
AESNI_INSTALLED = {f"/lib/modules/{DEBIAN_13}/modules.dep": "kernel/arch/x86/crypto/aesni-intel.ko.xz:\n"}


def examine(root: Path, prefix: str, **files: str) -> dict[str, Check]:
    """Run the examinations whose id begins with ``prefix`` on a machine with the named files."""
    names = {
        "cpuinfo": "/proc/cpuinfo",
        "crypto": "/proc/crypto",
        "modules": "/proc/modules",
        "lowat": "/proc/sys/net/ipv4/tcp_notsent_lowat",
        "somaxconn": "/proc/sys/net/core/somaxconn",
        "instances": "/proc/sys/fs/inotify/max_user_instances",
        "watches": "/proc/sys/fs/inotify/max_user_watches",
    }
    machine = MachineBuilder(root).build({names.get(name, name): content for name, content in files.items()})
    facts = Facts(machine, FULL, module_before=None, tls_stat_before=None)
    chosen = [one for one in MACHINE_EXAMINATIONS if one.id.startswith(prefix)]
    assert chosen
    return {check.id: check for one in chosen for check in one.run(facts)}


def test_a_machine_with_the_fast_driver(tmp_path: Path) -> None:
    found = examine(tmp_path, "speed", cpuinfo=X86, crypto=TEMPLATE + AESNI, modules=AESNI_LOADED)
    assert [check.status for check in found.values()] == [Status.OK] * 3
    assert found["speed.driver"].detail == "generic-gcm-aesni-avx (priority 500)"


def test_the_slow_template_where_the_cpu_could_do_better(tmp_path: Path) -> None:
    found = examine(tmp_path, "speed", cpuinfo=X86, crypto=TEMPLATE, **AESNI_INSTALLED)
    assert found["speed.cpu"].status is Status.OK
    assert found["speed.driver"].status is Status.WARN
    assert found["speed.driver"].cure.startswith("modprobe aesni_intel")
    assert (found["speed.module"].status, found["speed.module"].detail) == (Status.INFO, "installed, not loaded")


def test_a_cpu_without_aes_is_not_told_to_load_a_module(tmp_path: Path) -> None:
    found = examine(tmp_path, "speed", cpuinfo=X86_PLAIN, crypto=TEMPLATE)
    assert "CHACHA20-POLY1305" in found["speed.cpu"].cure
    assert (found["speed.driver"].status, found["speed.driver"].cure) == (Status.WARN, "")
    assert "speed.module" not in found


def test_an_arm64_machine_has_drivers_of_its_own(tmp_path: Path) -> None:
    found = examine(tmp_path, "speed", cpuinfo=ARM64, crypto=TEMPLATE)
    assert found["speed.cpu"].status is Status.OK
    assert "arm64" in found["speed.driver"].cure
    assert "speed.module" not in found


def test_a_module_that_nothing_waits_for_is_only_named(tmp_path: Path) -> None:
    found = examine(tmp_path, "speed", cpuinfo=X86, crypto="", **AESNI_INSTALLED)
    assert found["speed.driver"].status is Status.INFO
    assert found["speed.module"].status is Status.INFO


def test_an_architecture_without_a_list_of_features(tmp_path: Path) -> None:
    assert examine(tmp_path, "speed", cpuinfo="isa : rv64\n")["speed.cpu"].status is Status.INFO


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("4294967295\n", Status.OK),
        ("-1\n", Status.OK),
        ("131072\n", Status.OK),
        ("131071\n", Status.WARN),
        ("16384\n", Status.WARN),
        ("0\n", Status.WARN),
    ],
)
def test_notsent_lowat(tmp_path: Path, value: str, status: Status) -> None:
    check = examine(tmp_path, "network.notsent_lowat", lowat=value)["network.notsent_lowat"]
    assert check.status is status
    assert bool(check.cure) is (status is Status.WARN)


def test_somaxconn_is_compared_with_the_backlog(tmp_path: Path) -> None:
    backlog = Limits().backlog
    assert examine(tmp_path, "network.som", somaxconn=f"{backlog}\n")["network.somaxconn"].status is Status.OK
    check = examine(tmp_path, "network.som", somaxconn=f"{backlog - 1}\n")["network.somaxconn"]
    assert check.status is Status.WARN
    assert check.cure == "sysctl -w net.core.somaxconn=4096; and for every boot: config/sysctl.conf"


def test_sysctls_that_a_sandbox_hides_are_unknown(tmp_path: Path) -> None:
    assert examine(tmp_path, "network.notsent_lowat")["network.notsent_lowat"].status is Status.UNKNOWN
    assert examine(tmp_path, "network.somaxconn")["network.somaxconn"].status is Status.UNKNOWN


def test_a_sysctl_that_is_no_number_is_unknown(tmp_path: Path) -> None:
    assert examine(tmp_path, "network.somaxconn", somaxconn="many\n")["network.somaxconn"].status is Status.UNKNOWN


@pytest.fixture
def interfaces(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Feature]]:
    """The machine's interfaces and their TLS features; filled in by the test."""
    found: dict[str, dict[str, Feature]] = {}
    monkeypatch.setattr(socket, "if_nameindex", lambda: list(enumerate(found)))
    monkeypatch.setattr(ethtool, "tls_features", lambda name: found[name])
    return found


FIXED_OFF = {"tls-hw-tx-offload": Feature(on=False, changeable=False)}


def test_a_card_that_encrypts(tmp_path: Path, interfaces: dict[str, dict[str, Feature]]) -> None:
    interfaces["ens1"] = {
        "tls-hw-tx-offload": Feature(on=True, changeable=True),
        "tls-hw-rx-offload": Feature(on=False, changeable=True),
        "tls-hw-record": Feature(on=False, changeable=False),
    }
    check = examine(tmp_path, "network.nic")["network.nic.ens1"]
    assert check.status is Status.OK
    assert check.detail == "tls-hw-tx-offload on, tls-hw-rx-offload off, tls-hw-record not in this device"
    assert "TLS 1.3 never reaches it" in check.reason


def test_a_card_that_could_encrypt(tmp_path: Path, interfaces: dict[str, dict[str, Feature]]) -> None:
    interfaces["ens1"] = {"tls-hw-tx-offload": Feature(on=False, changeable=True)}
    check = examine(tmp_path, "network.nic")["network.nic.ens1"]
    assert (check.status, check.cure) == (Status.INFO, "ethtool -K ens1 tls-hw-tx-offload on")
    assert "TLS 1.2 with AES-GCM only" in check.reason


def test_plain_cards_are_named_and_virtual_interfaces_gathered(
    tmp_path: Path, interfaces: dict[str, dict[str, Feature]]
) -> None:
    interfaces.update({"lo": FIXED_OFF, "eth0": FIXED_OFF, "veth1": {}})
    found = examine(tmp_path, "network.nic", **{"/sys/class/net/eth0/device/vendor": "0x1af4\n"})
    assert found.keys() == {"network.nic.eth0", "network.nic.others"}
    assert found["network.nic.eth0"].status is Status.INFO
    assert found["network.nic.others"].detail == "no TLS offload: lo veth1"


def test_the_interfaces_of_this_machine_are_reported_without_failing(tmp_path: Path) -> None:
    found = examine(tmp_path, "network.nic")
    assert found
    assert "lo" in " ".join(f"{check.id} {check.detail} {check.reason}" for check in found.values())


NEEDED = Limits().connections * 2 + 64


@pytest.mark.parametrize(
    ("soft", "hard", "status", "detail"),
    [
        (1024, 524288, Status.OK, "soft 1024, hard 524288"),
        (NEEDED - 1, NEEDED - 1, Status.WARN, f"soft {NEEDED - 1}, hard {NEEDED - 1}"),
        (1024, NEEDED, Status.OK, f"soft 1024, hard {NEEDED}"),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, Status.OK, "soft unlimited, hard unlimited"),
    ],
)
def test_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, status: Status, detail: str
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    check = examine(tmp_path, "limits.nofile")["limits.nofile"]
    assert (check.status, check.detail) == (status, detail)
    if status is Status.WARN:
        assert f"LimitNOFILE={NEEDED}" in check.cure


@pytest.mark.parametrize(
    ("workers", "instances", "watches", "status"),
    [
        (2, 128, 28968, Status.OK),
        (64, 128, 2 * 64 * 4 * 1024, Status.OK),
        (65, 128, 1048576, Status.WARN),
        (64, 128, 2 * 64 * 4 * 1024 - 1, Status.WARN),
    ],
)
def test_inotify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, instances: int, watches: int, status: Status
) -> None:
    monkeypatch.setattr(machine_checks, "usable_cpus", lambda: workers)
    check = examine(tmp_path, "limits.inotify", instances=f"{instances}\n", watches=f"{watches}\n")["limits.inotify"]
    assert (check.status, check.detail) == (status, f"{instances} instances, {watches} watches")
    if status is Status.WARN:
        needed = {"max_user_instances": 2 * workers, "max_user_watches": 2 * workers * 4 * 1024}
        for name, least in needed.items():
            cure = re.search(rf"fs\.inotify\.{name}=(\d+)", check.cure)
            assert cure is not None
            assert int(cure[1]) >= least


def test_inotify_where_it_is_hidden(tmp_path: Path) -> None:
    check = examine(tmp_path, "limits.inotify", instances="128\n")["limits.inotify"]
    assert check.status is Status.UNKNOWN


@pytest.mark.parametrize(("there", "status"), [(True, Status.OK), (False, Status.WARN)])
def test_openat2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool, status: Status) -> None:
    monkeypatch.setattr(machine_checks, "supported", lambda: there)
    assert examine(tmp_path, "limits.openat2")["limits.openat2"].status is status
