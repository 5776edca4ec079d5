"""Snapshots of a server that has done whatever a test says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ktlsserve.admin.facts import CertificateFact, Facts
from ktlsserve.admin.rates import Pace
from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.observe.counters import Counters, Labels
from ktlsserve.observe.server_state import ServerState, Stage, WorkerStage, WorkerState

NOW_S = 1_800_000_000.0
DAY_S = 86400

Counts = Mapping[str, Mapping[Any, int]]
"""Counts by family and labels; their tuples are of one length in each family."""

CERTIFICATE = CertificateFact("a.example", ("a.example", "*.a.example"), "ECDSA", int(NOW_S) + 90 * DAY_S, "a.pem")


def facts(*certificates: CertificateFact) -> Facts:
    return Facts("1.2.3", "3.13.1", "4.0.3", "kernel", "kernel", certificates or (CERTIFICATE,))


def worker(number: int = 0, stage: WorkerStage = WorkerStage.SERVING, *, alive: bool = True) -> WorkerState:
    return WorkerState(100 + number, number, 1, NOW_S - 50, stage, alive)


def state(stage: Stage = Stage.READY, *workers: WorkerState, restarts: int = 0) -> ServerState:
    return ServerState(stage, 99, NOW_S - 60, 1, 1, restarts, workers or (worker(),))


def counts(said: Counts | None = None) -> dict[str, dict[Labels, int]]:
    """Return the counts of a server with the site ``a.example`` that are all 0 but for ``said``."""
    made = Counters(["a.example"])
    families = made.by_family([0] * made.size)
    for name, family in (said or {}).items():
        for labels, count in family.items():
            assert labels in families[name], (name, labels)
            families[name][labels] = count
    return families


def snapshot(
    said: Counts | None = None,
    *,
    server: ServerState | None = None,
    silence_s: float = 0.1,
    kernel: Mapping[str, int] | None = None,
    a_while_ago: Counts | None = None,
    known: Facts | None = None,
) -> Snapshot:
    """Return a snapshot; there are rates where it is told what was counted two seconds before (``a_while_ago``)."""
    pace = Pace()
    rates = None
    if a_while_ago is not None:
        pace.look(counts(a_while_ago), 10.0)
        rates = pace.look(counts(said), 12.0)
    return Snapshot(NOW_S, known or facts(), server or state(), silence_s, counts(said), kernel, rates)
