"""What a run may not exceed: whether it was good enough, and if not, by how much."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ktlsserve.config.checks import ListOf, Matching, Problem, WholeNumber
from ktlsserve.config.table import Table, setting
from loadtests.users.checks import Number
from loadtests.users.document import load_document

_MOST_MS = 3_600_000
_FIGURES = ("p50_ms", "p95_ms", "p99_ms")


def _milliseconds(what: str) -> float | None:
    return field(default=None, metadata=setting(Number(0, _MOST_MS), what))


@dataclass(frozen=True, slots=True)
class RowThresholds:
    """What holds for a single row."""

    name: str = field(
        metadata=setting(Matching(r"[\w ./:()-]{1,80}", "the name of a row"), "Which row.", example='"page"')
    )
    p50_ms: float | None = _milliseconds("Most of its median time.")
    p95_ms: float | None = _milliseconds("Most of the time that 95 of a hundred requests don't exceed.")
    p99_ms: float | None = _milliseconds("Most of the time that 99 of a hundred requests don't exceed.")
    failures_share: float | None = field(
        default=None, metadata=setting(Number(0, 1), "Which share of its requests may fail.")
    )


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A whole file of thresholds."""

    failures_share: float = field(
        default=0.0, metadata=setting(Number(0, 1), "Which share of all requests may fail: 0 is none.")
    )
    least_requests: int = field(
        default=1,
        metadata=setting(
            WholeNumber(1, 1 << 40), "How many requests there must have been: a run without any says nothing."
        ),
    )
    p99_ms: float | None = _milliseconds("Most of the 99th percentile, for every row that has none of its own.")
    handshake_p99_ms: float | None = _milliseconds("Most of the 99th percentile of handshakes.")
    cpu_ms_per_request: float | None = field(
        default=None,
        metadata=setting(
            Number(0, _MOST_MS),
            "Most processor time of the server for each request; --server-pid must say which processes it is.",
        ),
    )
    row: tuple[RowThresholds, ...] = field(
        default=(), metadata=setting(ListOf(Table(RowThresholds), least=0), "What holds for single rows.")
    )

    def problems(self) -> list[Problem]:
        """One entry for each row."""
        names = [row.name for row in self.row]
        return [
            (f"row[{position}].name", f'"{name}" has thresholds already')
            for position, name in enumerate(names)
            if name in names[:position]
        ]


def load_thresholds(file: Path) -> Thresholds:
    """Read thresholds; raises ConfigError with all that is wrong with them."""
    return load_document(Thresholds, file)


def exceeded(thresholds: Thresholds, found: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each threshold that the results (see ``results``) don't keep."""
    sentences = list(found["trouble"])
    if found["requests"] < thresholds.least_requests:
        sentences.append(f"{found['requests']} requests were made, fewer than {thresholds.least_requests}")
    sentences += _share("failures", thresholds.failures_share, found["failures"], found["requests"])
    by_name: Mapping[str, Mapping[str, float]] = found["by_name"]
    own = {row.name: row for row in thresholds.row}
    sentences += [f'no request was made that is called "{name}"' for name in own if name not in by_name]
    for name, figures in by_name.items():
        row = own.get(name, RowThresholds(name))
        if row.failures_share is not None:
            sentences += _share(f"failures of {name}", row.failures_share, figures["failures"], figures["requests"])
        for figure in _FIGURES:
            most = getattr(row, figure)
            if most is None and figure == "p99_ms":
                most = thresholds.p99_ms
            sentences += _most(f"{figure} of {name}", most, figures[figure])
    for name, figures in found["handshakes"].items():
        sentences += _most(f"p99_ms of {name}", thresholds.handshake_p99_ms, figures["p99_ms"])
    cpu_ms = found["cpu_ms_per_request"]
    if cpu_ms is not None:
        sentences += _most("processor time of the server per request", thresholds.cpu_ms_per_request, cpu_ms)
    elif thresholds.cpu_ms_per_request is not None:
        sentences.append("the processor time of the server wasn't measured, and cpu_ms_per_request limits it")
    return sentences


def _share(what: str, most: float, failures: float, requests: float) -> Iterator[str]:
    share = failures / requests if requests else 0.0
    if share > most:
        yield (
            f"{what}: {failures:g} of {requests:g} ({_per_cent(share)}), allowed {_per_cent(most)}: "
            f"{_per_cent(share - most)} too many"
        )


def _most(what: str, most: float | None, value: float) -> Iterator[str]:
    if most is not None and value > most:
        over = f" ({_per_cent(value / most - 1)})" if most else ""
        yield f"{what}: {value:g} ms, allowed {most:g} ms: {value - most:.3g} ms{over} too much"


def _per_cent(share: float) -> str:
    return f"{100 * share:.3g} %"
