from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ktlsserve.kernel.probe_failure import Explanation, explain_no_loopback, explain_ulp_failure
from tests.support.machines import (
    DEBIAN_13,
    NO_CAPABILITIES,
    OTHER_PID_NAMESPACE,
    MachineBuilder,
    process_status,
)

INSTALLED: dict[str, str | bytes] = {f"/lib/modules/{DEBIAN_13}/modules.dep": "kernel/net/tls/tls.ko.xz:\n"}
UNPRIVILEGED: dict[str, str | bytes] = {"/proc/self/status": process_status(NO_CAPABILITIES)}
FILTERED: dict[str, str | bytes] = {"/proc/self/status": process_status(NO_CAPABILITIES, seccomp=2)}


def explain(root: Path, code: int, files: dict[str, str | bytes], **options: str) -> Explanation:
    builder = MachineBuilder(root, **options)  # type: ignore[arg-type]
    return explain_ulp_failure(builder.build(files), code)


def test_a_kernel_without_it(tmp_path: Path) -> None:
    found = explain(tmp_path, errno.ENOENT, {f"/boot/config-{DEBIAN_13}": "CONFIG_NET=y\n"})
    assert found.reason == f"kernel {DEBIAN_13} was built without kernel TLS (CONFIG_TLS is not set)"
    assert found.cure.startswith("boot a kernel with CONFIG_TLS")


def test_a_kernel_without_it_under_a_container(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"/boot/config-{DEBIAN_13}": "CONFIG_NET=y\n", "/.dockerenv": ""}
    found = explain(tmp_path, errno.ENOENT, files, pid_namespace=OTHER_PID_NAMESPACE)
    assert found.cure.endswith("; a container uses the kernel of its host")


def test_a_module_that_is_not_installed(tmp_path: Path) -> None:
    found = explain(tmp_path, errno.ENOENT, {f"/lib/modules/{DEBIAN_13}/modules.dep": ""})
    assert found.reason == f"the module tls isn't installed for kernel {DEBIAN_13}"
    assert found.cure.startswith("install the modules package of this kernel (or reboot")


def test_a_module_that_this_user_may_not_load(tmp_path: Path) -> None:
    found = explain(tmp_path, errno.ENOENT, {**INSTALLED, **UNPRIVILEGED})
    assert found.reason == "the module tls isn't loaded, and this user may not load it (no CAP_NET_ADMIN)"
    assert found.cure.startswith("load it as root: modprobe tls")


def test_a_module_that_failed_to_load(tmp_path: Path) -> None:
    found = explain(tmp_path, errno.ENOENT, INSTALLED)
    assert found == Explanation(
        "the kernel tried to load the module tls and failed", "run modprobe tls as root to see why"
    )


def test_in_a_container_the_host_loads_it(tmp_path: Path) -> None:
    found = explain(tmp_path, errno.ENOENT, {**UNPRIVILEGED, "/.dockerenv": ""}, pid_namespace=OTHER_PID_NAMESPACE)
    assert found.reason.startswith("the module tls isn't loaded on the host, and this user may not load it")
    assert found.cure.startswith("on the host, not in the container, load it as root")


def test_a_machine_that_tells_nothing(tmp_path: Path) -> None:
    found = explain(tmp_path, errno.ENOENT, {})
    assert "neither its configuration nor its modules can be seen" in found.reason
    assert found.cure.startswith("try modprobe tls as root; if there is no such module, boot")


def test_a_machine_that_tells_only_that_this_user_may_not(tmp_path: Path) -> None:
    found = explain(tmp_path, errno.ENOENT, UNPRIVILEGED)
    assert (
        found.reason == "the module tls isn't loaded or doesn't exist, and this user may not load it (no CAP_NET_ADMIN)"
    )
    assert found.cure.startswith("try modprobe tls as root")


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES, errno.ENOSYS])
def test_a_seccomp_filter(tmp_path: Path, code: int) -> None:
    found = explain(tmp_path, code, FILTERED)
    assert found.reason == f"a seccomp filter refuses TCP_ULP ({os.strerror(code)})"
    assert "seccomp profile" in found.cure


def test_a_refusal_without_a_filter_is_not_blamed_on_one(tmp_path: Path) -> None:
    found = explain(tmp_path, errno.EPERM, UNPRIVILEGED)
    assert found.reason == f"the kernel refuses TCP_ULP 'tls': {os.strerror(errno.EPERM)}"


def test_a_filter_is_not_blamed_for_a_missing_module(tmp_path: Path) -> None:
    """Docker's default profile is in force nearly everywhere, and lets TCP_ULP through."""
    assert "seccomp" not in explain(tmp_path, errno.ENOENT, {**INSTALLED, **FILTERED}).reason


@pytest.mark.parametrize("code", [errno.ENOENT, errno.ENOPROTOOPT, errno.EPERM])
def test_gvisor(tmp_path: Path, code: int) -> None:
    banner = "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n"
    found = explain(tmp_path, code, {**FILTERED, "/proc/version": banner})
    assert found.reason.startswith("gVisor")
    assert "runc" in found.cure


def test_a_kernel_from_before_upper_layer_protocols(tmp_path: Path) -> None:
    assert "4.13" in explain(tmp_path, errno.ENOPROTOOPT, {}).reason


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        (errno.EMFILE, "limit of open files"),
        (errno.ENFILE, "limit of open files"),
        (errno.EPERM, "sandbox"),
        (errno.EAFNOSUPPORT, "sandbox"),
        (errno.ENETUNREACH, "ip link set lo up"),
        (errno.ETIMEDOUT, "packet filter"),
    ],
)
def test_no_loopback_to_probe_with(code: int, cure: str) -> None:
    found = explain_no_loopback(OSError(code, os.strerror(code)))
    assert found.reason == f"no loopback connection to probe with: {os.strerror(code)}"
    assert cure in found.cure


def test_a_timeout_carries_no_errno() -> None:
    assert explain_no_loopback(TimeoutError("timed out")).reason.endswith(": timed out")
