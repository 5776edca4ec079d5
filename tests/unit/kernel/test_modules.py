from __future__ import annotations

from pathlib import Path

import pytest

from ktlsserve.kernel.modules import ModuleState, load_obstacle, module_state
from tests.support.machines import (
    DEBIAN_13,
    NO_CAPABILITIES,
    OTHER_PID_NAMESPACE,
    OTHER_USER_NAMESPACE,
    MachineBuilder,
    process_status,
)

MODULES = f"/lib/modules/{DEBIAN_13}"
# Lines of Debian 13's own file: other modules depend on tls, which must not be taken for it.
MODULES_DEP = (
    "kernel/net/tls/tls.ko.xz:\n"
    "kernel/drivers/net/bonding/bonding.ko.xz: kernel/net/tls/tls.ko.xz\n"
    "kernel/arch/x86/crypto/aesni-intel.ko.xz: kernel/lib/crypto/gf128mul.ko.xz kernel/crypto/cryptd.ko.xz\n"
)
ONLY_DEPENDENT = "kernel/drivers/net/bonding/bonding.ko.xz: kernel/net/tls/tls.ko.xz\n"
PROC_MODULES = "tls 176128 0 - Live 0x0000000000000000\naesni_intel 122880 0 - Live 0x0000000000000000\n"


def state(root: Path, files: dict[str, str | bytes], name: str = "tls") -> ModuleState:
    symbol = {"tls": "CONFIG_TLS", "aesni_intel": "CONFIG_CRYPTO_AES_NI_INTEL"}[name]
    return module_state(MachineBuilder(root).build(files), name, symbol)


def test_a_loaded_module_stands_in_proc_modules(tmp_path: Path) -> None:
    assert state(tmp_path, {"/proc/modules": PROC_MODULES}) is ModuleState.LOADED
    assert state(tmp_path, {"/proc/modules": PROC_MODULES}, "aesni_intel") is ModuleState.LOADED


def test_names_that_only_begin_alike_do_not_count(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"/proc/modules": "tls_toe 1 0 - Live 0x0\n", f"{MODULES}/modules.dep": ""}
    assert state(tmp_path, files) is ModuleState.NOT_INSTALLED


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (f"/boot/config-{DEBIAN_13}", "CONFIG_TLS=y\n"),
        (f"{MODULES}/modules.builtin", "kernel/net/ipv4/tcp_cubic.ko\nkernel/net/tls/tls.ko\n"),
        (f"{MODULES}/modules.builtin.modinfo", "tcp_cubic.license=GPL\0tls.license=Dual BSD/GPL\0"),
    ],
)
def test_a_built_in_module_is_found(tmp_path: Path, file: str, content: str) -> None:
    assert state(tmp_path, {file: content}) is ModuleState.BUILT_IN


def test_a_module_on_disk_is_loadable_whatever_the_spelling_of_its_file(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"{MODULES}/modules.dep": MODULES_DEP}
    assert state(tmp_path, files) is ModuleState.LOADABLE
    assert state(tmp_path, files, "aesni_intel") is ModuleState.LOADABLE


def test_a_module_that_others_depend_on_is_not_there_for_that(tmp_path: Path) -> None:
    assert state(tmp_path, {f"{MODULES}/modules.dep": ONLY_DEPENDENT}) is ModuleState.NOT_INSTALLED


@pytest.mark.parametrize("suffix", ["", ".xz", ".zst", ".gz"])
def test_without_an_index_the_files_themselves_are_looked_for(tmp_path: Path, suffix: str) -> None:
    assert state(tmp_path, {f"{MODULES}/updates/dkms/tls.ko{suffix}": b""}) is ModuleState.LOADABLE


def test_modules_of_another_kernel_do_not_count(tmp_path: Path) -> None:
    """The usual trap: a kernel upgrade removed the running kernel's modules."""
    files: dict[str, str | bytes] = {
        "/lib/modules/6.12.108+deb13-amd64/modules.dep": MODULES_DEP,
        f"/boot/config-{DEBIAN_13}": "CONFIG_TLS=m\n",
    }
    assert state(tmp_path, files) is ModuleState.NOT_INSTALLED


def test_a_module_left_out_of_the_configuration_is_told_apart(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"/boot/config-{DEBIAN_13}": "# CONFIG_TLS is not set\n"}
    assert state(tmp_path, files) is ModuleState.LEFT_OUT


def test_an_own_build_of_a_module_counts_more_than_the_configuration(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {f"/boot/config-{DEBIAN_13}": "", f"{MODULES}/modules.dep": MODULES_DEP}
    assert state(tmp_path, files) is ModuleState.LOADABLE


def test_without_configuration_and_modules_nothing_is_determined(tmp_path: Path) -> None:
    assert state(tmp_path, {}) is ModuleState.UNKNOWN


def test_a_container_s_own_modules_folder_proves_nothing(tmp_path: Path) -> None:
    builder = MachineBuilder(tmp_path, environ={"container": "podman"}, pid_namespace=OTHER_PID_NAMESPACE)
    machine = builder.build({f"{MODULES}/modules.dep": ONLY_DEPENDENT})
    assert module_state(machine, "tls", "CONFIG_TLS") is ModuleState.UNKNOWN


def test_a_link_from_lib_to_usr_lib_is_followed_once(tmp_path: Path) -> None:
    machine = MachineBuilder(tmp_path).build({f"/usr{MODULES}/modules.dep": MODULES_DEP})
    (tmp_path / "lib").symlink_to("usr/lib")
    assert module_state(machine, "tls", "CONFIG_TLS") is ModuleState.LOADABLE


@pytest.mark.parametrize(("found", "usable"), [(one, one.name in {"LOADED", "BUILT_IN"}) for one in ModuleState])
def test_what_is_in_the_kernel_is_usable(found: ModuleState, usable: bool) -> None:
    assert found.is_usable is usable


def obstacle(root: Path, files: dict[str, str | bytes]) -> str:
    return load_obstacle(MachineBuilder(root).build(files), "tls")


def test_root_in_the_first_namespace_may_have_the_module_loaded(tmp_path: Path) -> None:
    assert obstacle(tmp_path, {"/proc/sys/kernel/modules_disabled": "0\n"}) == ""


def test_others_may_not(tmp_path: Path) -> None:
    assert "CAP_NET_ADMIN" in obstacle(tmp_path, {"/proc/self/status": process_status(NO_CAPABILITIES)})


def test_root_of_a_user_namespace_may_not(tmp_path: Path) -> None:
    machine = MachineBuilder(tmp_path, user_namespace=OTHER_USER_NAMESPACE).build()
    assert "user namespace" in load_obstacle(machine, "tls")


def test_loading_may_be_switched_off_for_everybody(tmp_path: Path) -> None:
    assert "kernel.modules_disabled=1" in obstacle(tmp_path, {"/proc/sys/kernel/modules_disabled": "1\n"})


@pytest.mark.parametrize("line", ["blacklist tls", "install tls /bin/false", "install   tls  /usr/bin/true"])
@pytest.mark.parametrize("folder", ["/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d"])
def test_modprobe_may_be_told_not_to(tmp_path: Path, folder: str, line: str) -> None:
    found = obstacle(tmp_path, {f"{folder}/hardening.conf": f"# no tls\n{line}\n"})
    assert found.startswith(f"{folder}/hardening.conf forbids it")


@pytest.mark.parametrize(
    "line", ["#blacklist tls", "blacklist tls_toe", "install tls /sbin/modprobe -i tls", "install tls"]
)
def test_other_lines_of_modprobe_do_not_forbid_it(tmp_path: Path, line: str) -> None:
    assert obstacle(tmp_path, {"/etc/modprobe.d/x.conf": f"{line}\n", "/etc/modprobe.d/x.bak": "blacklist tls\n"}) == ""
