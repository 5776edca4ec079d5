"""A metric as a picture: a line for each server, its median as a mark, the spread as a bar, on a log scale.

The picture is drawn for a width of 360 px and grows with its place: its letters are legible on a phone. Colours are
those of the page (report_style.py), so that they follow its light or dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from loadtests.compare import words
from loadtests.compare.rows import Row
from loadtests.compare.samples import Metric

_WIDTH_PX = 360
_LEFT_PX = 8
_SCALE_PX = _WIDTH_PX - 2 * _LEFT_PX
_TOP_PX = 10
_ROW_PX = 34
_AXIS_PX = 22


def plot(rows: Sequence[Row], metric: Metric, title: str) -> str:
    """Return an SVG of a metric of rows that may be compared, the cheapest first and the refused last."""
    shown = sorted(
        (row for row in rows if row.red or metric.key in row.figures),
        key=lambda row: (row.red, row.figures[metric.key].values.median if not row.red else 0.0),
    )
    bounds = _bounds(shown, metric)
    height_px = _TOP_PX + _ROW_PX * len(shown) + _AXIS_PX
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH_PX} {height_px}" role="img">',
        f"<title>{escape(title)}</title>",
        *_grid(bounds, height_px - _AXIS_PX),
    ]
    for index, row in enumerate(shown):
        lines += _row(row, metric, _TOP_PX + _ROW_PX * index, bounds)
    return "\n".join([*lines, "</svg>"])


def _bounds(rows: Sequence[Row], metric: Metric) -> tuple[int, int]:
    """Return the powers of ten that enclose all values, one decade at least."""
    ends = [
        log10(end)
        for row in rows
        if (figure := row.figures.get(metric.key)) is not None
        for end in (figure.values.least, figure.values.greatest)
        if end > 0
    ]
    if not ends:
        return 0, 1
    low = floor(min(ends))
    return low, max(ceil(max(ends)), low + 1)


def _x(value: float, bounds: tuple[int, int]) -> float:
    low, high = bounds
    # Nothing at all has no place on a log scale: it lies at its left end.
    position = (log10(value) - low) / (high - low) if value > 0 else 0.0
    return _LEFT_PX + position * _SCALE_PX


def _grid(bounds: tuple[int, int], bottom_px: float) -> list[str]:
    lines = []
    low, high = bounds
    for power in range(low, high + 1):
        x = _x(10.0**power, bounds)
        anchor = "start" if power == low else "end" if power == high else "middle"
        lines.append(f'<path class="grid" d="M{x:.1f} 4V{bottom_px:.1f}"/>')
        lines.append(
            f'<text class="axis" x="{x:.1f}" y="{bottom_px + 16:.1f}" text-anchor="{anchor}">'
            f"{escape(words.number(10.0**power))}</text>"
        )
    return lines


def _row(row: Row, metric: Metric, top_px: float, bounds: tuple[int, int]) -> list[str]:
    text_y, mark_y = top_px + 11, top_px + 22
    label = f'<text class="name" x="{_LEFT_PX}" y="{text_y}">{escape(row.key.server)}</text>'
    if row.red:
        return [label, _value("refused", text_y, "bad")]
    figure = row.figures[metric.key]
    least, middle, most = (
        _x(value, bounds) for value in (figure.values.least, figure.values.median, figure.values.greatest)
    )
    ratio = f" · {words.times(figure.ratio)}" if figure.ratio else ""
    kind = "quic" if row.key.protocol == "h3" else "tls"
    # A diamond for QUIC, a disc for TLS: colour alone doesn't tell them apart.
    mark = (
        f'<path class="{kind}" d="M{middle - 6:.1f} {mark_y}l6-6 6 6-6 6z"/>'
        if kind == "quic"
        else f'<circle class="{kind}" cx="{middle:.1f}" cy="{mark_y}" r="5"/>'
    )
    return [
        label,
        _value(f"{words.number(figure.values.median)}{ratio}", text_y, "value"),
        f'<path class="track" d="M{_LEFT_PX} {mark_y}H{_WIDTH_PX - _LEFT_PX}"/>',
        f'<path class="spread {kind}" d="M{least:.1f} {mark_y}H{most:.1f}"/>',
        mark,
    ]


def _value(text: str, y: float, kind: str) -> str:
    return f'<text class="{kind}" x="{_WIDTH_PX - _LEFT_PX}" y="{y}" text-anchor="end">{escape(text)}</text>'
