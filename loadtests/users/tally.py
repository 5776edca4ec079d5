"""What has happened: counted in each process, sent to the master in parts, and added up there.

A part is what a worker has counted since the last one, so the sum of all parts is the whole, whatever their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from loadtests.users.histogram import Histogram

# What Locust shows as the type of rows that are no requests.
HANDSHAKE = "handshake"
# Messages that name paths could be as many as there are paths.
_MOST_ERRORS = 1000
_OTHERS = "further errors, which aren't told apart any more"


@dataclass(slots=True)
class Row:
    """What is counted of everything that has the same name."""

    requests: int = 0
    failures: int = 0
    bytes: int = 0
    times: Histogram = field(default_factory=Histogram)

    def merge(self, other: Row) -> None:
        """Add what another has counted."""
        self.requests += other.requests
        self.failures += other.failures
        self.bytes += other.bytes
        self.times.merge(other.times)


@dataclass(slots=True)
class Tally:
    """All rows; handshakes have theirs apart, because they are no requests."""

    rows: dict[str, Row] = field(default_factory=dict)
    handshakes: dict[str, Row] = field(default_factory=dict)
    protocols: Counter[str] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(
        self, kind: str, name: str, time_ms: float, length_bytes: int, *, protocol: str = "", error: str = ""
    ) -> None:
        """Count a request or handshake; only those without an ``error`` have a time that says anything."""
        rows = self.handshakes if kind == HANDSHAKE else self.rows
        row = rows.setdefault(name, Row())
        row.requests += 1
        row.bytes += length_bytes
        if protocol:
            self.protocols[protocol] += 1
        if error:
            row.failures += 1
            self._count_error(name, error, 1)
        else:
            row.times.add(time_ms)

    def merge(self, other: Tally) -> None:
        """Add what another has counted."""
        for mine, theirs in ((self.rows, other.rows), (self.handshakes, other.handshakes)):
            for name, row in theirs.items():
                mine.setdefault(name, Row()).merge(row)
        self.protocols.update(other.protocols)
        for (name, error), occurrences in other.errors.items():
            self._count_error(name, error, occurrences)

    def clear(self) -> None:
        """Begin anew."""
        self.rows.clear()
        self.handshakes.clear()
        self.protocols.clear()
        self.errors.clear()

    def pack(self) -> dict[str, Any]:
        """Return all of it in lists and dictionaries, for a message."""
        return {
            "rows": _pack_rows(self.rows),
            "handshakes": _pack_rows(self.handshakes),
            "protocols": dict(self.protocols),
            "errors": [[name, error, occurrences] for (name, error), occurrences in self.errors.items()],
        }

    def _count_error(self, name: str, error: str, occurrences: int) -> None:
        key = (name, error)
        if key not in self.errors and len(self.errors) >= _MOST_ERRORS:
            key = (name, _OTHERS)
        self.errors[key] += occurrences


def unpack_tally(message: Mapping[str, Any]) -> Tally:
    """Return what ``Tally.pack`` has packed."""
    return Tally(
        _unpack_rows(message["rows"]),
        _unpack_rows(message["handshakes"]),
        Counter(message["protocols"]),
        Counter({(name, error): occurrences for name, error, occurrences in message["errors"]}),
    )


def _pack_rows(rows: Mapping[str, Row]) -> dict[str, list[Any]]:
    return {name: [row.requests, row.failures, row.bytes, row.times.pack()] for name, row in rows.items()}


def _unpack_rows(message: Mapping[str, Any]) -> dict[str, Row]:
    return {
        name: Row(requests, failures, length_bytes, Histogram((time_us, count) for time_us, count in times))
        for name, (requests, failures, length_bytes, times) in message.items()
    }
