"""What this kernel takes: asked of the kernel itself, on a loopback connection with keys of zeros.

Versions and configuration only hint at it: distributions backport, modules are missing, sandboxes filter. The probe
installs one key per direction, version and cipher, each on a connection of its own, because both directions of a
socket must agree on both. Nothing is ever sent under these keys.

Attaching the ULP is also what makes the kernel load the ``tls`` module for a process that may (CAP_NET_ADMIN), so
that a server which probes before it drops privileges needs no modprobe.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum

from ktlsserve.errors import HandoverError, TxKeyError, UlpError
from ktlsserve.kernel import floors, ktls
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.probe_failure import Explanation, explain_no_loopback, explain_ulp_failure
from ktlsserve.tls.crypto_info import TrafficKeys, pack_crypto_info
from ktlsserve.tls.suites import Cipher, TlsVersion

# Linux 6.19 and later; the value is a u16 (Documentation/networking/tls.rst).
TLS_TX_MAX_PAYLOAD_LEN = 5

# A loopback connection takes microseconds; only a packet filter that drops it makes it wait.
_LOOPBACK_TIMEOUT_S = 1.0
_LOOPBACK_ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


class Direction(Enum):
    """The way that bytes take, as the server sees it."""

    TX = "send"
    RX = "receive"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One key that the kernel didn't take."""

    direction: Direction
    version: TlsVersion
    cipher: Cipher
    reason: str
    cure: str


@dataclass(frozen=True, slots=True)
class KernelTls:
    """What the kernel takes.

    ``available`` means that it can send with at least one version and cipher; where it can't, ``reason`` and ``cure``
    say why and what to do. ``rx`` is what it would take for receiving, ``rx_safe`` whether it should be given that
    (``rx_floor`` says why). ``rekey``: a key can be replaced, as a TLS 1.3 KeyUpdate asks for. ``refusals`` explains
    each combination that is missing from ``tx`` and ``rx`` while the ULP itself works.
    """

    available: bool
    reason: str
    cure: str
    tx: frozenset[tuple[TlsVersion, Cipher]]
    rx: frozenset[tuple[TlsVersion, Cipher]]
    rekey: bool
    rx_safe: bool
    kernel_release: str
    max_payload_len: bool = False
    refusals: tuple[Refusal, ...] = ()
    rx_floor: floors.FloorVerdict = floors.NOT_DETERMINED
    tx_floor: floors.FloorVerdict = floors.NOT_DETERMINED


@dataclass(slots=True)
class _Findings:
    """What the probe has learnt so far."""

    tx: set[tuple[TlsVersion, Cipher]] = field(default_factory=set)
    rx: set[tuple[TlsVersion, Cipher]] = field(default_factory=set)
    refusals: list[Refusal] = field(default_factory=list)
    rekey: bool = False
    max_payload_len: bool = False
    failure: Explanation | None = None


def probe_kernel_tls(machine: Machine | None = None) -> KernelTls:
    """Ask the kernel what it takes; never raises for what the machine lacks. Takes a few milliseconds.

    ``machine`` is where explanations are looked up; the connections are always this kernel's own.
    """
    machine = Machine() if machine is None else machine
    findings = _Findings()
    if machine.platform == "linux":
        _probe_all(machine, findings)
    else:
        reason = f"kernel TLS is a part of Linux, and this is {machine.platform}"
        findings.failure = Explanation(reason, "run ktlsserve on Linux")
    if findings.failure is None and not findings.tx:
        first = findings.refusals[0]
        findings.failure = Explanation(f"the kernel takes no key for sending: {first.reason}", first.cure)
    failure = findings.failure or Explanation("", "")
    version = machine_version(machine)
    rx_floor = floors.rx_floor(version)
    return KernelTls(
        available=not failure.reason,
        reason=failure.reason,
        cure=failure.cure,
        tx=frozenset(findings.tx),
        rx=frozenset(findings.rx),
        rekey=findings.rekey,
        rx_safe=rx_floor.met is True,
        kernel_release=machine.release,
        max_payload_len=findings.max_payload_len,
        refusals=tuple(findings.refusals),
        rx_floor=rx_floor,
        tx_floor=floors.tx_floor(version),
    )


def machine_version(machine: Machine) -> floors.KernelVersion | None:
    """Return the stable version of the kernel that runs, as far as the machine tells it."""
    try:
        return floors.kernel_version(
            machine.release, machine.banner(), machine.read_text("/proc/version_signature") or ""
        )
    except OSError:
        return floors.kernel_version(machine.release)


def _probe_all(machine: Machine, findings: _Findings) -> None:
    for version in (TlsVersion.TLS1_3, TlsVersion.TLS1_2):
        for cipher in Cipher:
            try:
                with loopback_connection() as sock:
                    ktls.attach_ulp(sock)
                    _probe_keys(sock, version, cipher, findings)
            except UlpError as error:
                findings.failure = _explain(machine, error)
                return
            except OSError as error:
                findings.failure = explain_no_loopback(error)
                return


def _probe_keys(sock: socket.socket, version: TlsVersion, cipher: Cipher, findings: _Findings) -> None:
    """Try both directions of one version and cipher on a connection that has the ULP."""
    crypto_info = _zero_crypto_info(version, cipher)
    try:
        ktls.install_tx(sock, crypto_info)
    except HandoverError as error:
        findings.refusals.append(Refusal(Direction.TX, version, cipher, _strerror(error), error.cure))
    else:
        findings.tx.add((version, cipher))
        _probe_options(sock, version, crypto_info, findings)
    try:
        ktls.install_rx(sock, crypto_info)
    except HandoverError as error:
        findings.refusals.append(Refusal(Direction.RX, version, cipher, _strerror(error), error.cure))
    else:
        findings.rx.add((version, cipher))


def _probe_options(sock: socket.socket, version: TlsVersion, crypto_info: bytes, findings: _Findings) -> None:
    """Ask for what depends on the kernel's age and not on the cipher; ``sock`` has a sending key."""
    if not findings.max_payload_len:
        try:
            sock.setsockopt(ktls.SOL_TLS, TLS_TX_MAX_PAYLOAD_LEN, struct.pack("=H", ktls.MAX_PLAINTEXT_BYTES))
        except OSError:
            pass
        else:
            findings.max_payload_len = True
    if version is TlsVersion.TLS1_3 and not findings.rekey:
        try:
            ktls.install_tx(sock, crypto_info)
        except TxKeyError:
            return
        findings.rekey = True


def _zero_crypto_info(version: TlsVersion, cipher: Cipher) -> bytes:
    shape = cipher.value
    iv_bytes = 12 if version is TlsVersion.TLS1_3 else shape.fixed_iv_bytes
    return pack_crypto_info(TrafficKeys(version, cipher, bytes(shape.key_bytes), bytes(iv_bytes)), rec_seq=0)


def _strerror(error: HandoverError) -> str:
    return str(error).partition(";")[0]


def _explain(machine: Machine, error: UlpError) -> Explanation:
    """Explain a missing ULP; files that can't be read take away the detail and not the answer."""
    try:
        return explain_ulp_failure(machine, error.errno)
    except (OSError, ValueError) as unreadable:
        return Explanation(f"{_strerror(error)} (no more is known: {unreadable})", error.cure)


@contextmanager
def loopback_connection() -> Iterator[socket.socket]:
    """Yield one end of an established loopback connection; the other lives as long. Raises OSError without loopback."""
    with _listener() as listener:
        listener.settimeout(_LOOPBACK_TIMEOUT_S)
        with socket.create_connection(listener.getsockname()[:2], _LOOPBACK_TIMEOUT_S) as sock:
            peer, _ = listener.accept()
            with peer:
                yield sock


def _listener() -> socket.socket:
    (family, address), *others = _LOOPBACK_ADDRESSES
    try:
        return socket.create_server((address, 0), family=family)
    except OSError:
        family, address = others[0]
        return socket.create_server((address, 0), family=family)
