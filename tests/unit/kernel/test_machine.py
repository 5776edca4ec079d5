from __future__ import annotations

import errno
import gzip
import os
import platform
from pathlib import Path

import pytest

from ktlsserve.kernel.machine import CAP_NET_ADMIN, Machine
from tests.support.machines import (
    DEBIAN_13,
    NO_CAPABILITIES,
    OTHER_PID_NAMESPACE,
    OTHER_USER_NAMESPACE,
    MachineBuilder,
    process_status,
)

CONFIG = "#\n# Networking\n#\nCONFIG_NET=y\nCONFIG_TLS=m\n# CONFIG_TLS_TOE is not set\n"


def test_the_running_machine_is_the_default() -> None:
    machine = Machine()
    assert machine.release == platform.release()
    assert machine.platform == "linux"
    assert machine.release in machine.banner()
    assert machine.environ is os.environ


def test_a_missing_file_is_none_and_an_unreadable_one_raises(tmp_path: Path) -> None:
    machine = MachineBuilder(tmp_path).build()
    (tmp_path / "folder").mkdir()
    assert machine.read_text("/nowhere") is None
    assert machine.read_bytes("/proc/version/below-a-file") is None
    with pytest.raises(IsADirectoryError):
        machine.read_text("/folder")


def test_text_that_is_not_utf8_is_still_read(tmp_path: Path) -> None:
    assert MachineBuilder(tmp_path).build({"/x": b"a\xffb"}).read_text("/x") == "a\ufffdb"


def test_without_proc_version_the_banner_is_empty(tmp_path: Path) -> None:
    assert Machine(root=tmp_path).banner() == ""


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("/proc/config.gz", gzip.compress(CONFIG.encode())),
        (f"/boot/config-{DEBIAN_13}", CONFIG.encode()),
        (f"/lib/modules/{DEBIAN_13}/config", CONFIG.encode()),
        (f"/usr/lib/modules/{DEBIAN_13}/config", CONFIG.encode()),
    ],
)
def test_the_configuration_is_read_from_wherever_it_lies(tmp_path: Path, file: str, content: bytes) -> None:
    machine = MachineBuilder(tmp_path).build({file: content})
    assert machine.kernel_config("CONFIG_TLS") == "m"
    assert machine.kernel_config("CONFIG_NET") == "y"
    assert machine.kernel_config("CONFIG_TLS_TOE") == "n"


def test_the_configuration_of_another_kernel_does_not_count(tmp_path: Path) -> None:
    machine = MachineBuilder(tmp_path).build({"/boot/config-6.1.0-1-amd64": CONFIG})
    assert machine.kernel_config("CONFIG_TLS") is None


def test_the_running_kernel_s_own_configuration_comes_first(tmp_path: Path) -> None:
    stale = f"/boot/config-{DEBIAN_13}"
    machine = MachineBuilder(tmp_path).build({stale: "CONFIG_TLS=y\n", "/proc/config.gz": gzip.compress(b"")})
    assert machine.kernel_config("CONFIG_TLS") == "n"


def test_a_configuration_that_this_user_may_not_read_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = MachineBuilder(tmp_path).build({f"/boot/config-{DEBIAN_13}": CONFIG})
    read_bytes = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.parent.name == "boot":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert machine.kernel_config("CONFIG_TLS") is None


@pytest.mark.parametrize("broken", [b"not gzip", b"\x1f\x8b\x08broken", gzip.compress(b"CONFIG_TLS=m" * 9)[:-12]])
def test_a_damaged_configuration_raises(tmp_path: Path, broken: bytes) -> None:
    machine = MachineBuilder(tmp_path).build({"/proc/config.gz": broken})
    with pytest.raises(OSError, match=r"gzip|unpacked"):
        machine.kernel_config("CONFIG_TLS")


def test_capabilities_are_bits_of_cap_eff(tmp_path: Path) -> None:
    only_net_admin = process_status(capabilities=f"{1 << CAP_NET_ADMIN:016x}")
    machine = MachineBuilder(tmp_path).build({"/proc/self/status": only_net_admin})
    assert machine.has_capability(CAP_NET_ADMIN)
    assert not machine.has_capability(CAP_NET_ADMIN + 1)
    assert not machine.has_capability(CAP_NET_ADMIN - 1)


def test_without_a_status_there_are_no_capabilities(tmp_path: Path) -> None:
    machine = Machine(root=tmp_path)
    assert not machine.has_capability(CAP_NET_ADMIN)
    assert not machine.under_seccomp()
    assert machine.status_field("CapEff") is None


def test_namespaces_are_told_by_their_fixed_inode_numbers(tmp_path: Path) -> None:
    machine = MachineBuilder(tmp_path, user_namespace=OTHER_USER_NAMESPACE).build()
    assert not machine.in_initial_namespace("user")
    assert machine.in_initial_namespace("pid")
    assert not Machine(root=tmp_path / "empty").in_initial_namespace("user")


@pytest.mark.parametrize(("mode", "filtered"), [(0, False), (1, False), (2, True)])
def test_seccomp_counts_in_filter_mode(tmp_path: Path, mode: int, filtered: bool) -> None:
    status = process_status(NO_CAPABILITIES, seccomp=mode)
    assert MachineBuilder(tmp_path).build({"/proc/self/status": status}).under_seccomp() is filtered


@pytest.mark.parametrize("release", ["4.4.0", "4.19.0-gvisor"])
def test_gvisor_is_told_by_its_banner(tmp_path: Path, release: str) -> None:
    banner = f"Linux version {release} #1 SMP Sun Jan 10 15:06:54 PST 2016\n"
    assert MachineBuilder(tmp_path).build({"/proc/version": banner}).is_gvisor()
    assert not MachineBuilder(tmp_path).build().is_gvisor()


@pytest.mark.parametrize("mark", ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"])
def test_a_container_is_told_by_its_mark_and_its_pid_namespace(tmp_path: Path, mark: str) -> None:
    builder = MachineBuilder(tmp_path, pid_namespace=OTHER_PID_NAMESPACE)
    assert not builder.build().is_container()
    assert builder.build({mark: ""}).is_container()
    assert not MachineBuilder(tmp_path).build().is_container(), "a virtual machine made from an image has the mark too"


@pytest.mark.parametrize("variable", ["container", "KUBERNETES_SERVICE_HOST"])
def test_a_container_is_told_by_its_environment(tmp_path: Path, variable: str) -> None:
    builder = MachineBuilder(tmp_path, environ={variable: "oci"}, pid_namespace=OTHER_PID_NAMESPACE)
    assert builder.build().is_container()
