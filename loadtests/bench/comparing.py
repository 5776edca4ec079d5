"""Ratios to a reference, by pairs of the same round, and their spread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from loadtests.bench.samples import METRICS, Sample


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, the least and the greatest, and how many there were."""

    median: float
    least: float
    greatest: float
    count: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one peer in one case: its values, and their ratio to those of ``reference`` if both have some."""

    case: str
    peer: str
    metric: str
    values: Spread
    reference: str = ""
    ratio: Spread | None = None


def spread(values: Sequence[float]) -> Spread:
    """Describe ``values``; raises ValueError without any."""
    if not values:
        raise ValueError("no values, no spread")
    return Spread(median(values), min(values), max(values), len(values))


def compare(samples: Iterable[Sample], references: Mapping[str, Sequence[str]]) -> list[Figure]:
    """Compute a figure for each case, peer, metric and reference, in the order of the samples.

    ``references`` names the peers that a peer is compared with. A reference that wasn't measured in the case gives no
    figure, but a peer without any has one figure without a ratio.
    """
    rounds: dict[tuple[str, str, str], dict[int, float]] = {}
    order: dict[tuple[str, str], None] = {}
    for sample in samples:
        if not sample.problem:
            order[sample.case, sample.peer] = None
        for key, value in sample.values.items():
            rounds.setdefault((sample.case, sample.peer, key), {})[sample.round] = value
    figures = []
    for case, peer in order:
        for metric in METRICS:
            own = rounds.get((case, peer, metric.key))
            if own is None:
                continue
            values = spread(list(own.values()))
            compared = [
                Figure(case, peer, metric.key, values, reference, ratio)
                for reference in references.get(peer, ())
                if (ratio := ratio_of(own, rounds.get((case, reference, metric.key), {}))) is not None
            ]
            figures += compared or [Figure(case, peer, metric.key, values)]
    return figures


def ratio_of(own: Mapping[int, float], other: Mapping[int, float]) -> Spread | None:
    """Compare values by round; None where no round has both."""
    pairs = [value / other[number] for number, value in own.items() if other.get(number)]
    return spread(pairs) if pairs else None
