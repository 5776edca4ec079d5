"""What the workers of a generation share to know what each client takes: made before the first of them is forked."""

from __future__ import annotations

from dataclasses import dataclass

from ktlsserve.clients.connection_counts import ConnectionCounts, Region
from ktlsserve.clients.request_rates import RequestRates
from ktlsserve.config import Limits


@dataclass(frozen=True, slots=True)
class ClientTables:
    """The tables of one worker; None where nothing is limited."""

    connections: Region | None
    rates: RequestRates | None


class SharedTables:
    """The tables of ``workers`` workers."""

    def __init__(self, limits: Limits, workers: int) -> None:
        self._counts = ConnectionCounts(workers, limits.connections) if limits.connections_per_client else None
        self._rates = (
            RequestRates(limits.requests_per_second, limits.requests_burst) if limits.requests_per_second else None
        )

    def of_worker(self, number: int) -> ClientTables:
        """Return what the ``number``-th worker sees, before it begins: what a predecessor had is forgotten."""
        return ClientTables(self._counts.region(number) if self._counts is not None else None, self._rates)
