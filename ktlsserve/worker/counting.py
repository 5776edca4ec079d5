"""What is counted once for a connection; what is counted for each request stands where it happens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ktlsserve.observe.counters import (
    ACCEPTED,
    DURATION_SUM_NS,
    FAILURES,
    GROUPS,
    HANDED_OVER,
    HANDSHAKES,
    NO_GROUP,
    OPEN_PENDING,
    duration_cell,
)
from ktlsserve.tls.handshake import Established
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.receivers import KernelReceiver

if TYPE_CHECKING:
    from ktlsserve.worker.loop import Worker

_NS_A_SECOND = 1_000_000_000


def count_begun(worker: Worker) -> None:
    """Count a connection that was accepted; until it has a sender it is pending."""
    worker.counts[ACCEPTED] += 1
    worker.counts[OPEN_PENDING] += 1


def count_ready(worker: Worker, conn: Connection) -> None:
    """Count a connection that has just got its sender, and is pending no more."""
    worker.counts[OPEN_PENDING] -= 1
    worker.counts[_open_cell(conn)] += 1


def count_ended(worker: Worker, conn: Connection) -> None:
    """Count a connection that is about to close, and still has its sender if it had one."""
    worker.counts[_open_cell(conn)] -= 1


def count_handshake(worker: Worker, conn: Connection, established: Established) -> None:
    """Count a handshake that has just succeeded, keys handed over and all."""
    counts = worker.counts
    suite = established.suite
    group = GROUPS.get(established.group, NO_GROUP)
    resumed = "yes" if established.resumed else "no"
    counts[HANDSHAKES[suite.version.label, suite.cipher.label, group, resumed]] += 1
    # This turn has taken some of the time itself.
    duration_s = time.monotonic() - conn.accepted_s
    counts[duration_cell(duration_s)] += 1
    counts[DURATION_SUM_NS] += int(duration_s * _NS_A_SECOND)
    sends = "kernel" if conn.kernel_sends else "userspace"
    receives = "kernel" if isinstance(conn.receiver, KernelReceiver) else "userspace"
    counts[HANDED_OVER[sends, receives]] += 1


def count_failure(worker: Worker, reason: str) -> None:
    """Count a handshake that has failed, for one of ``tls.failures.REASONS``."""
    worker.counts[FAILURES[(reason,)]] += 1


def _open_cell(conn: Connection) -> int:
    return OPEN_PENDING if conn.sender is None else conn.sender.open_cell
