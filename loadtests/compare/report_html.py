"""The report as a page: what was run on what, what came out, what it does not show; it loads nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from loadtests.compare import words
from loadtests.compare.plot import plot
from loadtests.compare.report import Report, limits
from loadtests.compare.report_style import STYLE
from loadtests.compare.rows import REFERENCES, Figure, Row
from loadtests.compare.samples import BY_KEY, METRICS, Group, Metric, Unit

# Beside what a scenario is about: the cause that tells most.
_CAUSE = "syscalls_per_mb"
_LEGEND = (
    '<p class="soft legend">Each mark is a median on a logarithmic scale, less is better, the bar behind it reaches '
    "from the least to the greatest round. "
    '<span class="kind"><span class="key"></span>TLS over TCP</span> '
    '<span class="kind"><span class="key diamond"></span>HTTP/3 over QUIC</span></p>'
)


def to_html(report: Report) -> str:
    """Return the page, whole and self-contained."""
    sections = words.sections(report.rows)
    parts = [
        "<h1>ktlsserve against QUIC and nginx</h1>",
        f'<p class="soft">{escape(report.started)} · <code>{escape(report.command)}</code></p>',
        "<h2>In short</h2>",
        '<p class="soft">What the server itself used, and how many times as much the others did.</p>',
        f'<ul class="short">{"".join(_finding(report, *section) for section in sections.items())}</ul>',
        _refused(report.rows),
        _LEGEND,
        *(_section(report, *section) for section in sections.items()),
        "<h2>What was run, on what</h2>",
        _facts({**report.machine, **report.settings, **report.versions}),
        _absent(report.absent),
        _list(words.METHOD),
        "<h2>What it does not show</h2>",
        _list(limits(unit for unit, _, _ in sections)),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # A page without a picture of its own: browsers would ask for one.
        '<link rel="icon" href="data:,">\n'
        f"<title>ktlsserve against QUIC and nginx</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, parts))
        + "\n</body>\n</html>\n"
    )


def _finding(report: Report, place: tuple[Unit, int, str], rows: Sequence[Row]) -> str:
    unit, mtu, scenario = place
    metric = _primary(report, place)
    said = words.findings(rows, metric.key)
    what = f"<b>{escape(scenario)}, MTU {mtu}, {escape(metric.title)}:</b>"
    return f"<li>{what} {escape(REFERENCES[unit])} {escape(said or 'gave no figure')}</li>"


def _primary(report: Report, place: tuple[Unit, int, str]) -> Metric:
    return BY_KEY[report.primary[place[2]]]


def _refused(rows: Iterable[Row]) -> str:
    red = [
        f'<b class="bad">{escape(row.key.server)} was refused</b> ({escape(row.key.scenario)}, MTU {row.key.mtu}): '
        f"{escape(row.problem)}"
        for row in rows
        if row.red
    ]
    return f"<ul>{''.join(f'<li>{line}</li>' for line in red)}</ul>" if red else ""


def _section(report: Report, place: tuple[Unit, int, str], rows: Sequence[Row]) -> str:
    heading = words.title(*place)
    metrics = [_primary(report, place)]
    if any(_CAUSE in row.figures for row in rows):
        metrics.append(BY_KEY[_CAUSE])
    plots = "".join(
        f"<figure><figcaption>{escape(metric.title)} <span>· × is the ratio to {escape(REFERENCES[place[0]])}</span>"
        f"</figcaption>{plot(rows, metric, f'{metric.title}: {heading}')}</figure>"
        for metric in metrics
    )
    details = [f"<b>{escape(row.key.server)}</b>: {escape(row.detail)}" for row in rows if row.detail]
    return (
        f'<h2>{escape(heading)}</h2><div class="plots">{plots}</div>{_table(rows, Group.COST)}'
        # What most don't need is a click away: the page is to be read in two minutes.
        f"{_folded(Group.RATE, _table(rows, Group.RATE))}{_folded(Group.CAUSE, _table(rows, Group.CAUSE))}"
        f"{_folded('System calls by name', _raw_list(details) if details else '')}"
    )


def _folded(summary: str, html: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{html}</details>" if html else ""


def _table(rows: Sequence[Row], group: Group) -> str:
    metrics = words.shown_metrics(rows, METRICS, group)
    if not metrics:
        return ""
    head = "<th>server</th>" + "".join(
        f'<th class="n">{escape(name)}</th>' for name in ("requests", *(metric.title for metric in metrics))
    )
    body = "".join(_row(row, metrics) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(row: Row, metrics: Sequence[Metric]) -> str:
    kind = "red" if row.red else "reference" if row.key.server == REFERENCES[row.key.unit] else ""
    cells = [_cell("server", escape(row.key.server), number=False), _cell("requests", f"{row.requests:,}")]
    if row.red:
        cells += [_cell(metric.title, "refused") for metric in metrics]
    else:
        cells += [_cell(metric.title, _figure(row.figures.get(metric.key))) for metric in metrics]
    return f'<tr class="{kind}">{"".join(cells)}</tr>'


def _cell(label: str, html: str, *, number: bool = True) -> str:
    return f'<td{" class=n" if number else ""} data-label="{escape(label)}"><span>{html}</span></td>'


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return "–"
    ratio = f" · {words.times(figure.ratio)}" if figure.ratio is not None else ""
    ends = words.between(figure.values)
    return f"{escape(words.number(figure.values.median))}{ratio}" + (f"<small>{escape(ends)}</small>" if ends else "")


def _facts(facts: Mapping[str, str]) -> str:
    lines = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="facts">{lines}</dl>'


def _absent(absent: Sequence[str]) -> str:
    return f"<h3>Not measured</h3>{_list(absent)}" if absent else ""


def _list(lines: Iterable[str]) -> str:
    return _raw_list(map(escape, lines))


def _raw_list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"
