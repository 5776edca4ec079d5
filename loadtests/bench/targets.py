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


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target held against a figure."""

    target: Target
    figure: Figure
    ratio: float

    @property
    def met(self) -> bool:
        """Whether the figure keeps within the limit."""
        return self.ratio >= self.target.limit if self.target.at_least else self.ratio <= self.target.limit


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
    return [
        Verdict(target, figure, figure.ratio.median)
        for figure in figures
        if figure.ratio is not None
        for target in TARGETS
        if (figure.peer, figure.reference, figure.metric) == (target.peer, target.reference, target.metric)
        and fnmatchcase(figure.case, target.case)
    ]
