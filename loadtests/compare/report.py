"""What a report tells; its forms are in report_markdown.py, report_html.py and saving.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loadtests.compare import words
from loadtests.compare.rows import Row
from loadtests.compare.samples import Sample, Unit


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report tells; ``absent`` says of each server that is missing why and what to install.

    ``primary`` is the metric that a scenario is about, by its name.
    """

    command: str
    started: str
    machine: Mapping[str, str]
    settings: Mapping[str, str]
    versions: Mapping[str, str]
    absent: Sequence[str]
    samples: Sequence[Sample]
    rows: Sequence[Row]
    primary: Mapping[str, str]


def limits(units: Iterable[Unit]) -> list[str]:
    """Return what the measured units don't show."""
    return [*words.LIMITS, *(words.INSTRUCTIONS_LIMITS if Unit.INSTRUCTIONS in units else ())]
