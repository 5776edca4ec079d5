"""What a load test has found, as JSON for other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadtests.users.tally import Row, Tally


@dataclass(frozen=True, slots=True)
class Run:
    """What is known of a run beside what its users have counted.

    ``cpu_s`` is the processor time of the server, None where nobody said which processes it is. ``trouble`` is what
    makes the figures worthless, however good they are.
    """

    duration_s: float
    processes: int = 1
    cpu_s: float | None = None
    trouble: tuple[str, ...] = ()


def results(tally: Tally, run: Run) -> dict[str, Any]:
    """Return the results, ready for JSON."""
    requests = sum(row.requests for row in tally.rows.values())
    return {
        "requests": requests,
        "failures": sum(row.failures for row in tally.rows.values()),
        "duration_s": round(run.duration_s, 3),
        "bytes": sum(row.bytes for row in tally.rows.values()),
        "processes": run.processes,
        "cpu_s": run.cpu_s,
        "cpu_ms_per_request": None if run.cpu_s is None or not requests else round(1000 * run.cpu_s / requests, 4),
        "by_name": _by_name(tally.rows),
        "handshakes": _by_name(tally.handshakes),
        "protocols": dict(sorted(tally.protocols.items())),
        "errors": [
            {"name": name, "error": error, "occurrences": occurrences}
            for (name, error), occurrences in tally.errors.most_common()
        ],
        "trouble": list(run.trouble),
    }


def write_results(found: Mapping[str, Any], file: Path) -> None:
    """Write the results; whoever reads the file meanwhile has the old ones or the new ones."""
    draft = file.with_name(f".{file.name}.new")
    draft.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    draft.replace(file)


def _by_name(rows: Mapping[str, Row]) -> dict[str, dict[str, float]]:
    return {
        name: {
            "requests": row.requests,
            "failures": row.failures,
            "p50_ms": row.times.percentile_ms(0.5),
            "p95_ms": row.times.percentile_ms(0.95),
            "p99_ms": row.times.percentile_ms(0.99),
            "bytes": row.bytes,
        }
        for name, row in sorted(rows.items())
    }
