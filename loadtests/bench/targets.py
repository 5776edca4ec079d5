"""What ktlsserve is meant to reach, as ratios to a reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from loadtests.bench.comparing import Figure


@dataclass(frozen=True, slots=True)
class Target:
    """A limit for the median ratio of ``peer`` to ``reference`` in all cases that match ``case``."""

    case: str
    peer: str
    reference: str
    metric: str
    limit: float
    at_least: bool

    def met_by(self, ratio: float) -> bool:
        """Tell whether a ratio keeps within the limit."""
        return ratio >= self.limit if self.at_least else ratio <= self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target held against the figures of a case; ``ratio_by_cpu`` is the same ratio from CPU time, for rates."""

    target: Target
    case: str
    ratio: float
    ratio_by_cpu: float | None = None


# What the server's CPU time says about a rate: twice the time is half the rate.
_COST_OF = {"requests_per_s": "cpu_s_per_1000_requests", "gigabytes_per_s": "cpu_s_per_gigabyte"}

TARGETS = (
    Target("plain/1KiB/same/keep-alive/16", "ktlsserve", "nginx", "requests_per_s", 1.3, at_least=True),
    Target("plain/10KiB/same/keep-alive/16", "ktlsserve", "nginx", "requests_per_s", 1.3, at_least=True),
    Target("plain/*/unique/keep-alive/16", "ktlsserve", "nginx", "requests_per_s", 0.8, at_least=True),
    Target("plain/1MiB/same/keep-alive/16", "ktlsserve", "nginx", "gigabytes_per_s", 1.0, at_least=True),
    Target("plain/64MiB/same/keep-alive/16", "ktlsserve", "nginx", "gigabytes_per_s", 1.0, at_least=True),
    Target("userspace/handshakes", "ktlsserve", "nginx", "handshakes_per_cpu_s", 0.8, at_least=True),
    Target("*/same/keep-alive/*", "ktlsserve-log", "ktlsserve", "requests_per_s", 0.85, at_least=True),
    Target("guest/64MiB", "ktlsserve", "nginx", "instructions_per_gigabyte", 1.0, at_least=False),
    Target("guest/64MiB", "ktlsserve", "nginx-userspace", "instructions_per_gigabyte", 0.55, at_least=False),
    Target("guest/10KiB", "ktlsserve", "nginx", "instructions_per_request", 1.3, at_least=False),
)


def judge(figures: Iterable[Figure]) -> list[Verdict]:
    """Hold every target against the figures that it is about; one without a figure gives no verdict."""
    ratios = {
        (figure.case, figure.peer, figure.reference, figure.metric): figure.ratio.median
        for figure in figures
        if figure.ratio is not None
    }
    verdicts = []
    for (case, peer, reference, metric), ratio in ratios.items():
        cost = ratios.get((case, peer, reference, _COST_OF.get(metric, "")))
        verdicts += [
            Verdict(target, case, ratio, 1 / cost if cost else None)
            for target in TARGETS
            if (peer, reference, metric) == (target.peer, target.reference, target.metric)
            and fnmatchcase(case, target.case)
        ]
    return verdicts
