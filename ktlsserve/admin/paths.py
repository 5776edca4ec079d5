"""Who encrypts how much: what is known of it, and not more.

Workers know whether the kernel encrypts a connection. Whether the kernel has then left that to a network card they
don't; the kernel counts it (``/proc/net/tls_stat``), for all programs of the network namespace together. If it has
never given a session to a card there, all was done in software. If it has, the bytes can't be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from ktlsserve.admin.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class PathUse:
    """A way for bytes to be encrypted: open connections, bytes sent since the start and per second now.

    None is for what isn't known.
    """

    path: str
    connections: int | None
    sent_bytes: int | None
    bytes_per_s: float | None


def tls_paths(snapshot: Snapshot) -> tuple[PathUse, ...]:
    """Return each path's use: ``kernel_software``, ``network_card``, ``userspace`` and ``off`` (plain HTTP).

    ``kernel_or_card`` stands in the place of the first where the two can't be told apart.
    """
    kernel, userspace, off = (_use(snapshot, path) for path in ("kernel", "userspace", "off"))
    counters = snapshot.kernel or {}
    if counters.get("TlsTxDevice", 0):
        card = PathUse("network_card", counters.get("TlsCurrTxDevice"), None, None)
        first = "kernel_or_card"
    else:
        card = PathUse("network_card", 0, 0, 0.0)
        first = "kernel_software"
    return (PathUse(first, kernel.connections, kernel.sent_bytes, kernel.bytes_per_s), card, userspace, off)


def _use(snapshot: Snapshot, encryption: str) -> PathUse:
    sent = {labels: count for labels, count in snapshot.family("sent_bytes").items() if labels[1] == encryption}
    rates = snapshot.rates
    return PathUse(
        encryption,
        snapshot.family("connections").get((encryption,), 0),
        sum(sent.values()),
        None if rates is None else sum(rates.of("sent_bytes", labels) for labels in sent),
    )
