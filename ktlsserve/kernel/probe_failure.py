"""Why the probe got no answer about kernel TLS, and what the operator can do about it."""

from __future__ import annotations

import errno as codes
import os
from dataclasses import dataclass

from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.modules import ModuleState, load_obstacle, module_state

MODPROBE_CURE = "load it as root: modprobe tls; and for every boot: echo tls > /etc/modules-load.d/tls.conf"
KERNEL_CURE = "boot a kernel with CONFIG_TLS=m or y (Debian, Ubuntu, Fedora and RHEL kernels have it)"
_SHARED_KERNEL = "; a container uses the kernel of its host"
_SANDBOX_CURE = "run the container with runc, crun or another runtime on the host's own kernel"
_SECCOMP_CURE = "allow setsockopt with level SOL_TCP and option TCP_ULP in the seccomp profile"


@dataclass(frozen=True, slots=True)
class Explanation:
    """``reason`` says why something is missing, ``cure`` what to do; each is one phrase without a full stop."""

    reason: str
    cure: str


def explain_ulp_failure(machine: Machine, errno: int) -> Explanation:
    """Explain the ``errno`` that TCP_ULP failed with; raise OSError where the machine's files can't be read."""
    if machine.is_gvisor():
        return Explanation("gVisor implements TCP itself and has no kernel TLS", _SANDBOX_CURE)
    if errno == codes.ENOENT:
        return _explain_missing_module(machine)
    if errno in {codes.EPERM, codes.EACCES, codes.ENOSYS} and machine.under_seccomp():
        return Explanation(f"a seccomp filter refuses TCP_ULP ({os.strerror(errno)})", _SECCOMP_CURE)
    if errno == codes.ENOPROTOOPT:
        return Explanation("this kernel has no upper-layer protocols (TCP_ULP, Linux 4.13 and later)", KERNEL_CURE)
    return Explanation(f"the kernel refuses TCP_ULP 'tls': {os.strerror(errno)}", KERNEL_CURE)


def explain_no_loopback(error: OSError) -> Explanation:
    """Explain why no connection could be made to probe with."""
    reason = f"no loopback connection to probe with: {error.strerror or error}"
    if error.errno in {codes.EMFILE, codes.ENFILE}:
        return Explanation(reason, "raise the limit of open files: ulimit -n, LimitNOFILE=")
    if error.errno in {codes.EPERM, codes.EACCES, codes.EAFNOSUPPORT}:
        return Explanation(reason, "allow sockets of AF_INET or AF_INET6 in the sandbox (RestrictAddressFamilies=)")
    return Explanation(reason, "bring the loopback interface up: ip link set lo up; and let no packet filter drop it")


def _explain_missing_module(machine: Machine) -> Explanation:
    """ENOENT: no ULP of that name is registered, and the kernel couldn't or wouldn't load one."""
    container = machine.is_container()
    state = module_state(machine, "tls", "CONFIG_TLS")
    if state is ModuleState.LEFT_OUT:
        cure = KERNEL_CURE + (_SHARED_KERNEL if container else "")
        return Explanation(f"kernel {machine.release} was built without kernel TLS (CONFIG_TLS is not set)", cure)
    obstacle = load_obstacle(machine, "tls")
    if container:
        reason = "the module tls isn't loaded on the host" + (f", and {obstacle}" if obstacle else "")
        return Explanation(reason, "on the host, not in the container, " + MODPROBE_CURE)
    if state is ModuleState.NOT_INSTALLED:
        cure = "install the modules package of this kernel (or reboot into the one that is installed), then " + (
            MODPROBE_CURE
        )
        return Explanation(f"the module tls isn't installed for kernel {machine.release}", cure)
    if state is ModuleState.UNKNOWN:
        reason = f"kernel {machine.release} offers no TLS, and neither its configuration nor its modules can be seen"
        if obstacle:
            reason = f"the module tls isn't loaded or doesn't exist, and {obstacle}"
        return Explanation(reason, f"try modprobe tls as root; if there is no such module, {KERNEL_CURE}")
    if obstacle:
        return Explanation(f"the module tls isn't loaded, and {obstacle}", MODPROBE_CURE)
    return Explanation("the kernel tried to load the module tls and failed", "run modprobe tls as root to see why")
