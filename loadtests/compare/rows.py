"""Rows: the samples of a server under one MTU and scenario together, their spread, and ratios to ktlsserve.

A row with a failed request or any other problem is red: it keeps the reason and loses its figures, so that a server
which answers wrongly is never a fast one. Ratios are those of the same round, within one unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from loadtests.bench.comparing import Spread, ratio_of, spread
from loadtests.compare.samples import METRICS, RowKey, Sample, Unit

REFERENCES = {Unit.SECONDS: "ktlsserve", Unit.INSTRUCTIONS: "ktlsserve-kernel"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric's values over the rounds, and their ratios to the reference's where there are some."""

    values: Spread
    ratio: Spread | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """All about one server under one MTU and scenario."""

    key: RowKey
    requests: int
    failures: int
    figures: Mapping[str, Figure]
    problem: str = ""
    detail: str = ""

    @property
    def red(self) -> bool:
        """Whether it was refused."""
        return bool(self.problem)


def make_rows(samples: Iterable[Sample]) -> list[Row]:
    """Make a row for each key, in the order in which the keys first appear."""
    by_key: dict[RowKey, list[Sample]] = {}
    for sample in samples:
        by_key.setdefault(sample.key, []).append(sample)
    problems = {key: _problem(found) for key, found in by_key.items()}
    rounds = {key: {} if problems[key] else _rounds(found) for key, found in by_key.items()}
    return [
        Row(
            key,
            sum(sample.requests for sample in found),
            sum(sample.failures for sample in found),
            _figures(rounds[key], rounds.get(_reference(key), {})),
            problems[key],
            "; ".join(dict.fromkeys(sample.detail for sample in found if sample.detail)),
        )
        for key, found in by_key.items()
    ]


def row_to_json(row: Row) -> dict[str, object]:
    """Return the row for results.json: its medians beside their spread, and null for what wasn't measured."""
    key = row.key
    medians = {
        metric.key: row.figures[metric.key].values.median if metric.key in row.figures else None for metric in METRICS
    }
    return {
        "server": key.server,
        "protocol": key.protocol,
        "mtu": key.mtu,
        "scenario": key.scenario,
        "unit": str(key.unit),
        "requests": row.requests,
        "failures": row.failures,
        "problem": row.problem or None,
        **medians,
        "spread": {name: asdict(figure.values) for name, figure in row.figures.items()},
        "ratio_to": REFERENCES[key.unit],
        "ratio": {name: asdict(figure.ratio) for name, figure in row.figures.items() if figure.ratio},
        "detail": row.detail or None,
    }


def _problem(samples: Sequence[Sample]) -> str:
    said = dict.fromkeys(sample.problem for sample in samples if sample.problem)
    failures = sum(sample.failures for sample in samples)
    if failures and not said:
        return f"{failures} requests failed"
    return "; ".join(said)


def _rounds(samples: Iterable[Sample]) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for sample in samples:
        for name, value in sample.values.items():
            found.setdefault(name, {})[sample.round] = value
    return found


def _reference(key: RowKey) -> RowKey:
    # The reference's own protocol: a row of HTTP/3 is compared with the same work over TLS.
    return RowKey(REFERENCES[key.unit], "http/1.1", key.mtu, key.scenario, key.unit)


def _figures(own: Mapping[str, Mapping[int, float]], reference: Mapping[str, Mapping[int, float]]) -> dict[str, Figure]:
    figures = {}
    for metric in METRICS:
        if metric.key in own:
            values = own[metric.key]
            ratio = ratio_of(values, reference.get(metric.key, {})) if metric.compared else None
            figures[metric.key] = Figure(spread(list(values.values())), ratio)
    return figures
