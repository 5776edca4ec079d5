"""What decides how fast the machine encrypts and sends, and how many connections it bears."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator

from ktlsserve.config import Files, Limits
from ktlsserve.cpus import usable_cpus
from ktlsserve.doctor.check import Check, Examination, Facts, Status
from ktlsserve.files.cache import WATCHES_PER_FILE
from ktlsserve.kernel import ethtool
from ktlsserve.kernel.crypto_drivers import best_driver, cpu_has_aes
from ktlsserve.kernel.modules import module_state
from ktlsserve.kernel.openat2 import supported

SPEED = "encryption speed"
NETWORK = "network"
LIMITS = "limits and confinement"

# TCP wakes a sender below this many unsent bytes; up to a record's size, kTLS sendfile stalls at a large MSS.
LOWEST_NOTSENT_LOWAT_BYTES = 128 * 1024
# The default of Linux: no limit (UINT_MAX).
UNLIMITED_NOTSENT_LOWAT = 2**32 - 1
# A connection and its file; a little for listeners, logs and the caches' files.
DESCRIPTORS_PER_CONNECTION = 2
SPARE_DESCRIPTORS = 64

_X86_CURE = "modprobe aesni_intel; and for every boot: echo aesni_intel > /etc/modules-load.d/aesni.conf"
_SYSCTL_AT_BOOT = "; and for every boot: config/sysctl.conf"
_NIC_CAVEAT = "a network card takes TLS 1.2 with AES-GCM only; TLS 1.3 never reaches it (up to Linux 7.3)"


def _cpu_aes(facts: Facts) -> Iterator[Check]:
    has_aes = cpu_has_aes(facts.machine)
    if has_aes is None:
        yield Check("speed.cpu", SPEED, "CPU", Status.INFO, "/proc/cpuinfo lists no features")
    elif has_aes:
        yield Check("speed.cpu", SPEED, "CPU", Status.OK, "has AES instructions")
    else:
        cure = "put CHACHA20-POLY1305 first in tls.ciphers; in a virtual machine, pass the host's CPU through"
        yield Check("speed.cpu", SPEED, "CPU", Status.WARN, "no AES instructions", "AES-GCM runs in plain code", cure)


def _aes_driver(facts: Facts) -> Iterator[Check]:
    """The driver is listed once it was used, which the probe has done."""
    driver = best_driver(facts.machine, "gcm(aes)")
    if driver is None:
        reason = "the kernel lists AES-GCM in /proc/crypto after its first use, and there was none"
        yield Check("speed.driver", SPEED, "AES-GCM driver", Status.INFO, "none in use", reason)
    elif driver.is_accelerated:
        detail = f"{driver.driver} (priority {driver.priority})"
        yield Check("speed.driver", SPEED, "AES-GCM driver", Status.OK, detail)
    elif cpu_has_aes(facts.machine) is False:
        reason = "the CPU has no AES instructions"
        yield Check("speed.driver", SPEED, "AES-GCM driver", Status.WARN, driver.driver, reason)
    else:
        reason = "it goes block by block: encryption is 3 to 5 times slower than with the CPU's own driver"
        cure = (
            _X86_CURE
            if _is_x86(facts)
            else "load the kernel's driver for AES instructions (arm64: ghash_ce, aes_ce_blk)"
        )
        yield Check("speed.driver", SPEED, "AES-GCM driver", Status.WARN, driver.driver, reason, cure)


def _aesni_module(facts: Facts) -> Iterator[Check]:
    if not _is_x86(facts) or not cpu_has_aes(facts.machine):
        return
    # Whether its absence matters is what the driver tells.
    state = module_state(facts.machine, "aesni_intel", "CONFIG_CRYPTO_AES_NI_INTEL")
    status = Status.OK if state.is_usable else Status.INFO
    yield Check("speed.module", SPEED, "module aesni_intel", status, state.value)


def _is_x86(facts: Facts) -> bool:
    """Only x86 calls them flags, in a line of their own."""
    return "\nflags" in (facts.machine.read_text("/proc/cpuinfo") or "")


def _notsent_lowat(facts: Facts) -> Iterator[Check]:
    text = facts.machine.read_text("/proc/sys/net/ipv4/tcp_notsent_lowat")
    name = "tcp_notsent_lowat"
    if text is None:
        yield Check("network.notsent_lowat", NETWORK, name, Status.UNKNOWN, "not readable here")
        return
    # A signed -1 is how some tools write the default.
    value = int(text) % 2**32
    if value == UNLIMITED_NOTSENT_LOWAT:
        yield Check("network.notsent_lowat", NETWORK, name, Status.OK, "unlimited (the default)")
    elif value >= LOWEST_NOTSENT_LOWAT_BYTES:
        yield Check("network.notsent_lowat", NETWORK, name, Status.OK, f"{value} bytes")
    else:
        reason = "small values stall kTLS sendfile where segments are large (loopback, jumbo frames)"
        cure = f"sysctl -w net.ipv4.tcp_notsent_lowat={LOWEST_NOTSENT_LOWAT_BYTES}{_SYSCTL_AT_BOOT}"
        yield Check("network.notsent_lowat", NETWORK, name, Status.WARN, f"{value} bytes", reason, cure)


def _somaxconn(facts: Facts) -> Iterator[Check]:
    text = facts.machine.read_text("/proc/sys/net/core/somaxconn")
    backlog = Limits().backlog
    if text is None:
        yield Check("network.somaxconn", NETWORK, "somaxconn", Status.UNKNOWN, "not readable here")
    elif int(text) >= backlog:
        yield Check("network.somaxconn", NETWORK, "somaxconn", Status.OK, f"{int(text)} connections may wait")
    else:
        reason = f"it cuts the queue that limits.backlog asks for ({backlog} by default)"
        cure = f"sysctl -w net.core.somaxconn={max(backlog, 4096)}{_SYSCTL_AT_BOOT}"
        yield Check("network.somaxconn", NETWORK, "somaxconn", Status.WARN, f"{int(text)}", reason, cure)


def _nic_offload(facts: Facts) -> Iterator[Check]:
    """One finding per interface with hardware or with TLS features, and one for all others."""
    plain = []
    for _, interface in socket.if_nameindex():
        features = ethtool.tls_features(interface)
        has_tls = any(feature.on or feature.changeable for feature in features.values())
        if not has_tls and not facts.machine.path(f"/sys/class/net/{interface}/device").exists():
            plain.append(interface)
            continue
        yield _nic_finding(interface, features)
    if plain:
        detail = "no TLS offload: " + " ".join(plain)
        yield Check("network.nic.others", NETWORK, "virtual interfaces", Status.INFO, detail)


def _nic_finding(interface: str, features: dict[str, ethtool.Feature]) -> Check:
    check_id = f"network.nic.{interface}"
    name = f"NIC {interface}"
    detail = ", ".join(
        f"{feature_name} {'on' if feature.on else 'off' if feature.changeable else 'not in this device'}"
        for feature_name, feature in features.items()
    )
    transmit = features.get("tls-hw-tx-offload")
    if transmit is None or not (transmit.on or transmit.changeable):
        reason = "the card encrypts nothing, the kernel does it on the CPU; that is the normal case"
        return Check(check_id, NETWORK, name, Status.INFO, "no TLS offload", reason)
    if transmit.on:
        return Check(check_id, NETWORK, name, Status.OK, detail, _NIC_CAVEAT)
    cure = f"ethtool -K {interface} tls-hw-tx-offload on"
    return Check(check_id, NETWORK, name, Status.INFO, detail, _NIC_CAVEAT, cure)


def _descriptors(_facts: Facts) -> Iterator[Check]:
    """Compare the hard limit with what a worker may need: the server raises the soft one to it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    connections = Limits().connections
    needed = connections * DESCRIPTORS_PER_CONNECTION + SPARE_DESCRIPTORS
    detail = f"soft {_limit(soft)}, hard {_limit(hard)}"
    if hard == resource.RLIM_INFINITY or hard >= needed:
        yield Check("limits.nofile", LIMITS, "open files", Status.OK, detail)
        return
    reason = f"a worker with limits.connections = {connections} (the default) may open {needed}"
    cure = f"ulimit -Hn {needed} (systemd: LimitNOFILE={needed}), or a lower limits.connections"
    yield Check("limits.nofile", LIMITS, "open files", Status.WARN, detail, reason, cure)


def _limit(value: int) -> str:
    return "unlimited" if value == resource.RLIM_INFINITY else str(value)


def _inotify(facts: Facts) -> Iterator[Check]:
    """Compare what a user may have with the needs of two generations of workers: a reload starts the second."""
    folder = "/proc/sys/fs/inotify"
    texts = [facts.machine.read_text(f"{folder}/{name}") for name in ("max_user_instances", "max_user_watches")]
    there = [int(text) for text in texts if text is not None]
    if len(there) != len(texts):
        yield Check("limits.inotify", LIMITS, "inotify", Status.UNKNOWN, "not readable here")
        return
    workers = usable_cpus()
    needed = [2 * workers, 2 * workers * WATCHES_PER_FILE * Files().cached_files]
    detail = f"{there[0]} instances, {there[1]} watches"
    if there[0] >= needed[0] and there[1] >= needed[1]:
        yield Check("limits.inotify", LIMITS, "inotify", Status.OK, detail)
        return
    reason = (
        f"{workers} workers, and as many at a reload, may need {needed[0]} instances and {needed[1]} watches; those"
        " that get none look for the file at each request"
    )
    cure = (
        f"sysctl -w fs.inotify.max_user_instances={max(there[0], needed[0])}"
        f" fs.inotify.max_user_watches={max(there[1], needed[1])}{_SYSCTL_AT_BOOT}"
    )
    yield Check("limits.inotify", LIMITS, "inotify", Status.WARN, detail, reason, cure)


def _openat2(_facts: Facts) -> Iterator[Check]:
    if supported():
        yield Check("limits.openat2", LIMITS, "openat2", Status.OK, "the kernel confines every open to the root")
        return
    reason = "Linux before 5.6, or a seccomp filter that doesn't know the call: folders are walked one by one instead"
    cure = "use Linux 5.6 or later, and a container runtime of 2020 or later"
    yield Check("limits.openat2", LIMITS, "openat2", Status.WARN, "not available", reason, cure)


MACHINE_EXAMINATIONS = (
    Examination("speed.cpu", SPEED, "CPU", _cpu_aes),
    Examination("speed.driver", SPEED, "AES-GCM driver", _aes_driver),
    Examination("speed.module", SPEED, "module aesni_intel", _aesni_module),
    Examination("network.notsent_lowat", NETWORK, "tcp_notsent_lowat", _notsent_lowat),
    Examination("network.somaxconn", NETWORK, "somaxconn", _somaxconn),
    Examination("network.nic", NETWORK, "NIC offload", _nic_offload),
    Examination("limits.nofile", LIMITS, "open files", _descriptors),
    Examination("limits.inotify", LIMITS, "inotify", _inotify),
    Examination("limits.openat2", LIMITS, "openat2", _openat2),
)
