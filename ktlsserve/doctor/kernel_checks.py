"""What the kernel takes for kTLS, and whether it should be given it."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator

from ktlsserve.doctor.check import Check, Examination, Facts, Status
from ktlsserve.kernel.floors import FloorVerdict
from ktlsserve.kernel.modules import ModuleState, load_obstacle, module_state
from ktlsserve.kernel.probe import Direction, machine_version
from ktlsserve.kernel.probe_failure import KERNEL_CURE, MODPROBE_CURE
from ktlsserve.kernel.tls_stat import TLS_STAT, read_tls_stat
from ktlsserve.tls.suites import Cipher, TlsVersion

GROUP = "kernel TLS"


def cipher_labels(accepted: Iterable[tuple[TlsVersion, Cipher]], version: TlsVersion) -> str:
    """Return the names of the ciphers accepted for ``version``, strongest habit first, as Cipher lists them."""
    wanted = set(accepted)
    return " ".join(cipher.label for cipher in Cipher if (version, cipher) in wanted)


def _release(facts: Facts) -> Iterator[Check]:
    version = machine_version(facts.machine)
    detail = f"{facts.machine.release} ({platform.machine()})"
    if version is not None and not facts.machine.release.startswith(str(version)):
        detail += f", built from Linux {version}"
    yield Check("kernel.release", GROUP, "kernel", Status.INFO, detail)


def _available(facts: Facts) -> Iterator[Check]:
    kernel = facts.kernel
    if kernel.available:
        yield Check("kernel.tls", GROUP, "kernel TLS", Status.OK, "the kernel encrypts on a loopback connection")
    else:
        yield Check("kernel.tls", GROUP, "kernel TLS", Status.NO, "not available", kernel.reason, kernel.cure)


def _module(facts: Facts) -> Iterator[Check]:
    state = module_state(facts.machine, "tls", "CONFIG_TLS")
    detail = state.value
    if state is ModuleState.LOADED and facts.module_before is ModuleState.LOADABLE:
        detail += ", by this probe: the kernel loads it for this user"
    if state.is_usable:
        yield Check("kernel.module", GROUP, "module tls", Status.OK, detail)
        return
    if state in {ModuleState.LEFT_OUT, ModuleState.NOT_INSTALLED, ModuleState.UNKNOWN}:
        yield Check("kernel.module", GROUP, "module tls", Status.NO, detail, facts.kernel.reason, facts.kernel.cure)
        return
    obstacle = load_obstacle(facts.machine, "tls")
    reason = obstacle or "the kernel may load it for this user, and didn't"
    yield Check("kernel.module", GROUP, "module tls", Status.NO, detail, reason, MODPROBE_CURE)


def _keys(facts: Facts) -> Iterator[Check]:
    """One finding per direction and version: the ciphers that the kernel took, and why not the others."""
    kernel = facts.kernel
    for direction, accepted in ((Direction.TX, kernel.tx), (Direction.RX, kernel.rx)):
        for version in (TlsVersion.TLS1_3, TlsVersion.TLS1_2):
            check_id = f"kernel.{direction.name.lower()}.{version.label.lower().replace(' ', '')}"
            name = f"{direction.value} {version.label}"
            taken = cipher_labels(accepted, version)
            refusals = [one for one in kernel.refusals if one.direction is direction and one.version is version]
            if not refusals and taken:
                yield Check(check_id, GROUP, name, Status.OK, taken)
            elif not refusals:
                yield Check(check_id, GROUP, name, Status.NO, "no cipher", kernel.reason, kernel.cure)
            else:
                reason = "; ".join(f"{one.cipher.label}: {one.reason}" for one in refusals)
                cure = "; ".join(dict.fromkeys(one.cure for one in refusals))
                status = Status.WARN if taken else Status.NO
                yield Check(check_id, GROUP, name, status, taken or "no cipher", reason, cure)


def _receive(facts: Facts) -> Iterator[Check]:
    kernel = facts.kernel
    name = "receive in kernel"
    if kernel.rx and kernel.rx_safe:
        yield Check("kernel.receive", GROUP, name, Status.OK, kernel.rx_floor.reason)
        return
    reason, cure = kernel.rx_floor.reason, kernel.rx_floor.cure
    if not kernel.available:
        reason, cure = kernel.reason, kernel.cure
    elif not kernel.rx:
        reason, cure = "the kernel takes no key for receiving", KERNEL_CURE
    yield Check("kernel.receive", GROUP, name, Status.NO, "OpenSSL decrypts requests", reason, cure)


def _sending_fixes(facts: Facts) -> Iterator[Check]:
    verdict: FloorVerdict = facts.kernel.tx_floor
    if verdict.met:
        yield Check("kernel.tx_fixes", GROUP, "sending fixes", Status.OK, verdict.reason)
    else:
        detail = "missing" if verdict.met is False else "not determined"
        yield Check("kernel.tx_fixes", GROUP, "sending fixes", Status.WARN, detail, verdict.reason, verdict.cure)


def _rekey(facts: Facts) -> Iterator[Check]:
    kernel = facts.kernel
    if kernel.rekey:
        yield Check("kernel.rekey", GROUP, "rekey", Status.OK, "a TLS 1.3 KeyUpdate is followed in the kernel")
    elif not kernel.available:
        yield Check("kernel.rekey", GROUP, "rekey", Status.NO, "not available", kernel.reason, kernel.cure)
    else:
        reason = "the kernel keeps the first key: where it also receives, a connection ends at the peer's KeyUpdate"
        cure = "use Linux 6.14 or later; few clients send a KeyUpdate"
        yield Check("kernel.rekey", GROUP, "rekey", Status.NO, "not available", reason, cure)


def _max_payload(facts: Facts) -> Iterator[Check]:
    detail = "TLS_TX_MAX_PAYLOAD_LEN is there" if facts.kernel.max_payload_len else "not available"
    reason = "" if facts.kernel.max_payload_len else "TLS_TX_MAX_PAYLOAD_LEN came with Linux 6.19; nothing needs it yet"
    yield Check("kernel.max_payload_len", GROUP, "record size limit", Status.INFO, detail, reason)


def _tls_stat(facts: Facts) -> Iterator[Check]:
    after = read_tls_stat(facts.machine)
    if after is None:
        reason, cure = facts.kernel.reason, facts.kernel.cure
        if facts.kernel.available:
            reason, cure = f"{TLS_STAT} isn't visible here", "mount /proc of this network namespace"
        yield Check("kernel.tls_stat", GROUP, "counters", Status.NO, "no tls_stat", reason, cure)
        return
    before = facts.tls_stat_before or {}
    grown = {name: after.get(name, 0) - before.get(name, 0) for name in ("TlsTxSw", "TlsTxDevice")}
    detail = (
        f"{len(after)} counters; the probe's keys went to software {grown['TlsTxSw']}, device {grown['TlsTxDevice']}"
    )
    if failures := after.get("TlsDecryptError", 0):
        detail += f"; TlsDecryptError {failures} since the module was loaded"
    yield Check("kernel.tls_stat", GROUP, "counters", Status.OK, detail)


KERNEL_EXAMINATIONS = (
    Examination("kernel.release", GROUP, "kernel", _release),
    Examination("kernel.tls", GROUP, "kernel TLS", _available),
    Examination("kernel.module", GROUP, "module tls", _module),
    Examination("kernel.keys", GROUP, "keys", _keys),
    Examination("kernel.receive", GROUP, "receive in kernel", _receive),
    Examination("kernel.tx_fixes", GROUP, "sending fixes", _sending_fixes),
    Examination("kernel.rekey", GROUP, "rekey", _rekey),
    Examination("kernel.max_payload_len", GROUP, "record size limit", _max_payload),
    Examination("kernel.tls_stat", GROUP, "counters", _tls_stat),
)
