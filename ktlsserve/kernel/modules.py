"""Kernel modules: whether one is there, and whether the kernel could load it on behalf of this process.

TCP_ULP loads the ``tls`` module by itself, but only for a caller with CAP_NET_ADMIN in the first user namespace
(net/ipv4/tcp_ulp.c); once loaded, anybody may use it.
"""

from __future__ import annotations

import re
from enum import Enum

from ktlsserve.kernel.machine import CAP_NET_ADMIN, Machine

_MODPROBE_FOLDERS = ("/etc/modprobe.d", "/run/modprobe.d", "/usr/lib/modprobe.d", "/lib/modprobe.d")
_MODULE_FILE = re.compile(r"([^/:\s]+)\.ko(?:\.(?:xz|zst|gz))?$")


class ModuleState(Enum):
    """Where a module is; the value is how reports say it."""

    LOADED = "loaded"
    BUILT_IN = "built into the kernel"
    LOADABLE = "installed, not loaded"
    NOT_INSTALLED = "not installed for this kernel"
    LEFT_OUT = "left out of this kernel"
    UNKNOWN = "not determined"

    @property
    def is_usable(self) -> bool:
        """Whether the module's code is in the kernel now."""
        return self in {ModuleState.LOADED, ModuleState.BUILT_IN}


def module_state(machine: Machine, name: str, config_symbol: str) -> ModuleState:
    """Find a module (``name`` with underscores; ``config_symbol`` as CONFIG_TLS); raise OSError on unreadable files."""
    if name in _loaded(machine):
        return ModuleState.LOADED
    config = machine.kernel_config(config_symbol)
    if config == "y" or name in _built_in(machine):
        return ModuleState.BUILT_IN
    installed = _installed(machine)
    if installed and name in installed:
        return ModuleState.LOADABLE
    if config == "n":
        return ModuleState.LEFT_OUT
    # In a container /lib/modules is the image's, which says nothing about the host's.
    if machine.is_container() or (installed is None and config is None):
        return ModuleState.UNKNOWN
    return ModuleState.NOT_INSTALLED


def load_obstacle(machine: Machine, name: str) -> str:
    """Return what keeps the kernel from loading module ``name`` when this process attaches an ULP; empty: nothing."""
    if (machine.read_text("/proc/sys/kernel/modules_disabled") or "").strip() == "1":
        return "loading modules was switched off until the next boot (kernel.modules_disabled=1)"
    if blocked_by := _blocking_line(machine, name):
        return blocked_by
    if not machine.has_capability(CAP_NET_ADMIN):
        return "this user may not load it (no CAP_NET_ADMIN)"
    if not machine.in_initial_namespace("user"):
        return "this process may not load it (CAP_NET_ADMIN, but in a user namespace of its own)"
    return ""


def _normal(file_or_name: str) -> str:
    """Module files are named with dashes or underscores alike; the kernel knows underscores."""
    return file_or_name.replace("-", "_")


def _loaded(machine: Machine) -> set[str]:
    """Read /proc/modules (proc_modules(5)); a kernel without CONFIG_MODULES has no such file."""
    text = machine.read_text("/proc/modules") or ""
    return {line.split(maxsplit=1)[0] for line in text.splitlines() if line.strip()}


def _built_in(machine: Machine) -> set[str]:
    """Read the list of built-in modules; some packages ship it only in its newer form with modinfo strings."""
    names: set[str] = set()
    for folder in _module_folders(machine):
        for line in (machine.read_text(f"{folder}/modules.builtin") or "").splitlines():
            if match := _MODULE_FILE.search(line.strip()):
                names.add(_normal(match[1]))
        for record in (machine.read_text(f"{folder}/modules.builtin.modinfo") or "").split("\0"):
            owner, dot, _ = record.partition(".")
            if dot:
                names.add(_normal(owner))
    return names


def _installed(machine: Machine) -> set[str] | None:
    """Return the modules that lie on disk for this kernel; None where there is no folder for it at all."""
    folders = [folder for folder in _module_folders(machine) if machine.path(folder).is_dir()]
    if not folders:
        return None
    names: set[str] = set()
    for folder in folders:
        index = machine.read_text(f"{folder}/modules.dep")
        if index is None:
            paths = [str(path) for path in machine.path(folder).rglob("*.ko*")]
        else:
            paths = [line.partition(":")[0] for line in index.splitlines()]
        names.update(_normal(match[1]) for path in paths if (match := _MODULE_FILE.search(path)))
    return names


def _module_folders(machine: Machine) -> list[str]:
    """Return where this kernel's modules may lie; where /lib is a link to /usr/lib the folder is named once."""
    names = (f"/lib/modules/{machine.release}", f"/usr/lib/modules/{machine.release}")
    return list({machine.path(name).resolve(): name for name in names}.values())


def _blocking_line(machine: Machine, name: str) -> str:
    """Find the modprobe.d(5) line that keeps a module from being loaded by its alias."""
    for folder in _MODPROBE_FOLDERS:
        for path in sorted(machine.path(folder).glob("*.conf")):
            shown = f"{folder}/{path.name}"
            for line in (machine.read_text(shown) or "").splitlines():
                words = line.split()
                if words[:2] == ["blacklist", name] or (
                    words[:2] == ["install", name] and words[2:3] and words[2].rpartition("/")[2] in {"false", "true"}
                ):
                    return f"{shown} forbids it ({line.strip()!r})"
    return ""
