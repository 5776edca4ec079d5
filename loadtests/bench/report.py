"""The report as Markdown: what was measured on what, each case in a table, targets, and what is missing and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from loadtests.bench.comparing import Figure, Spread
from loadtests.bench.samples import BY_KEY, METRICS, Sample
from loadtests.bench.targets import Verdict

_LEGEND = (
    "The median of the rounds, and behind the dot the median (least to greatest) of the ratios to the reference in the "
    "same round. ↑: more is better, ↓: less is better."
)
_TARGETS_LEGEND = (
    "By CPU: the same ratio from CPU time instead of wall time. It is the one to trust where the server's share of its "
    "CPU is far below 1: then the client or other programs were the limit."
)


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report tells; ``absent`` says for each peer or mode that is missing why and what to do."""

    command: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    absent: Sequence[str]
    samples: Sequence[Sample]
    figures: Sequence[Figure]
    verdicts: Sequence[Verdict]


def render(report: Report) -> str:
    """Return the report as Markdown."""
    parts = ["# Benchmark", f"`{report.command}`", _facts(report.machine), _facts(report.versions)]
    if report.absent:
        parts += ["## Not measured", "\n".join(f"- {reason}" for reason in report.absent)]
    if report.verdicts:
        head = ("case", "peer", "figure", "reference", "limit", "ratio", "", "by CPU", "")
        parts += ["## Targets", _table(head, map(_verdict, report.verdicts)), _TARGETS_LEGEND]
    parts += ["## Figures", _LEGEND]
    for case in dict.fromkeys(sample.case for sample in report.samples):
        parts += [f"### {case}", *_case(case, report)]
    return "\n\n".join(parts) + "\n"


def number(value: float) -> str:
    """Return three significant digits at least, and thousands set apart."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def ratio(spread: Spread) -> str:
    """Return a ratio with its spread, where there is more than one round."""
    if spread.count == 1:
        return f"{spread.median:.2f}"
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.greatest:.2f})"


def _case(case: str, report: Report) -> list[str]:
    figures = [figure for figure in report.figures if figure.case == case]
    measured = [metric for metric in METRICS if any(figure.metric == metric.key for figure in figures)]
    head = ["peer", "ratio to", *(f"{metric.title} {'↑' if metric.more_is_better else '↓'}" for metric in measured)]
    rows: dict[tuple[str, str], dict[str, Figure]] = {}
    for figure in figures:
        rows.setdefault((figure.peer, figure.reference), {})[figure.metric] = figure
    lines = [[*names, *(_cell(row.get(metric.key)) for metric in measured)] for names, row in rows.items()]
    notes: dict[str, str] = {}
    for sample in report.samples:
        if sample.case == case and (sample.problem or sample.detail):
            text = f"failed: {sample.problem}" if sample.problem else sample.detail
            notes[sample.peer] = f"- {sample.peer}: {' '.join(text.split())}"
    return [*([_table(head, lines)] if lines else []), *(["\n".join(notes.values())] if notes else [])]


def _cell(figure: Figure | None) -> str:
    if figure is None:
        return ""
    value = number(figure.values.median)
    if figure.metric == "server_busy":
        return value
    return f"{value} · {ratio(figure.ratio)}" if figure.ratio is not None else value


def _verdict(verdict: Verdict) -> tuple[str, ...]:
    target = verdict.target
    by_cpu = verdict.ratio_by_cpu
    return (
        verdict.case,
        target.peer,
        BY_KEY[target.metric].title,
        target.reference,
        f"{'≥' if target.at_least else '≤'} {target.limit:.2f}",
        f"{verdict.ratio:.2f}",
        _words(met=target.met_by(verdict.ratio)),
        "" if by_cpu is None else f"{by_cpu:.2f}",
        "" if by_cpu is None else _words(met=target.met_by(by_cpu)),
    )


def _words(*, met: bool) -> str:
    return "met" if met else "**missed**"


def _facts(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
