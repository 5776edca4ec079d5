"""The report as Markdown: tables for each thing measured, and what one has to know to read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from loadtests.compare import words
from loadtests.compare.report import Report, limits
from loadtests.compare.rows import REFERENCES, Row
from loadtests.compare.samples import BY_KEY, METRICS, Group


def to_markdown(report: Report) -> str:
    """Return the tables, and what one has to know to read them."""
    parts = ["# ktlsserve against QUIC and nginx", f"`{report.command}`, {report.started}"]
    parts += [_facts(facts) for facts in (report.machine, report.settings, report.versions)]
    if report.absent:
        parts += ["## Not measured", _list(report.absent)]
    units = []
    for (unit, mtu, scenario), rows in words.sections(report.rows).items():
        units.append(unit)
        parts.append(f"## {words.title(unit, mtu, scenario)}")
        if said := words.findings(rows, report.primary[scenario]):
            parts.append(f"{REFERENCES[unit]}: {BY_KEY[report.primary[scenario]].title} {said}.")
        parts += [_table(rows, group) for group in Group if words.shown_metrics(rows, METRICS, group)]
        parts += [_list(f"**{row.key.server} refused**: {row.problem}" for row in rows if row.red)]
        parts += [_list(f"{row.key.server}: {row.detail}" for row in rows if row.detail)]
    parts += ["## How to read it", _list(words.METHOD), "## What it does not show", _list(limits(units))]
    return "\n\n".join(filter(None, parts)) + "\n"


def _table(rows: Sequence[Row], group: Group) -> str:
    metrics = words.shown_metrics(rows, METRICS, group)
    lines = [["server", "protocol", "requests", *(metric.title for metric in metrics)]]
    lines += [["---"] * len(lines[0])]
    lines += [
        [
            row.key.server,
            row.key.protocol,
            f"{row.requests:,}",
            *(["refused"] if row.red else []),
            *(words.cell(row.figures.get(metric.key)) for metric in metrics[1 if row.red else 0 :]),
        ]
        for row in rows
    ]
    return f"**{group}**\n\n" + "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _facts(facts: Mapping[str, str]) -> str:
    return _list(f"{name}: {value}" for name, value in facts.items())


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {' '.join(line.split())}" for line in lines)
