"""Answers of the probe, made up for tests of what is done with them."""

from __future__ import annotations

from dataclasses import replace

from ktlsserve.kernel.floors import KernelVersion, rx_floor, tx_floor
from ktlsserve.kernel.probe import KernelTls
from ktlsserve.tls.suites import Cipher, TlsVersion
from tests.support.machines import DEBIAN_13

EVERYTHING = frozenset((version, cipher) for version in TlsVersion for cipher in Cipher)

_SAFE = KernelVersion(7, 2, 12)
_UNSAFE = KernelVersion(6, 12, 20)

# A kernel with all that the server can use.
FULL = KernelTls(
    available=True,
    reason="",
    cure="",
    tx=EVERYTHING,
    rx=EVERYTHING,
    rekey=True,
    rx_safe=True,
    kernel_release=DEBIAN_13,
    max_payload_len=True,
    rx_floor=rx_floor(_SAFE),
    tx_floor=tx_floor(_SAFE),
)
# One that encrypts, but below all floors.
BELOW_FLOORS = replace(
    FULL, rekey=False, rx_safe=False, max_payload_len=False, rx_floor=rx_floor(_UNSAFE), tx_floor=tx_floor(_UNSAFE)
)
# One without kTLS.
NONE = replace(
    BELOW_FLOORS,
    available=False,
    reason="the module tls isn't loaded, and this user may not load it (no CAP_NET_ADMIN)",
    cure="load it as root: modprobe tls",
    tx=frozenset(),
    rx=frozenset(),
)
