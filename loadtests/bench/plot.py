"""The ratios as a picture: a line for each peer and case, its median as a dot, the spread as a bar, on a log scale."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log2

from loadtests.bench.comparing import Figure
from loadtests.bench.samples import BY_KEY

# One metric for each case: the first of these that it has.
_PREFERRED = (
    "requests_per_s",
    "gigabytes_per_s",
    "handshakes_per_cpu_s",
    "instructions_per_gigabyte",
    "instructions_per_request",
    "syscalls_per_request",
    "bytes_per_connection",
)
_LABELS_PX = 390
_SCALE_PX = 520
_ROW_PX = 18
_MARGIN_PX = 40
_FONT = 'font-family="sans-serif" font-size="11"'
_COLOURS = ("#0b6e4f", "#1f4e9c", "#b35900", "#7a1fa2", "#555555")


def plot(figures: Sequence[Figure]) -> str:
    """Return an SVG of the ratios, one metric for each case."""
    chosen = _choose(figures)
    low, high = _bounds(chosen)
    height_px = 2 * _MARGIN_PX + _ROW_PX * max(1, len(chosen))
    width_px = _LABELS_PX + _SCALE_PX + _MARGIN_PX
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_px}" height="{height_px}" {_FONT}>',
        f'<rect width="{width_px}" height="{height_px}" fill="white"/>',
        f'<text x="{_LABELS_PX}" y="16">ratio to the reference (dot: median of rounds, bar: least to greatest)</text>',
        *_grid(low, high, height_px),
    ]
    colours: dict[str, str] = {}
    for index, figure in enumerate(chosen):
        colour = colours.setdefault(figure.peer, _COLOURS[len(colours) % len(_COLOURS)])
        lines += _row(figure, _MARGIN_PX + _ROW_PX * (index + 0.5), (low, high), colour)
    return "\n".join([*lines, "</svg>", ""])


def _choose(figures: Sequence[Figure]) -> list[Figure]:
    compared = [figure for figure in figures if figure.ratio is not None]
    best: dict[str, str] = {}
    for figure in compared:
        if figure.metric in _PREFERRED:
            now = best.setdefault(figure.case, figure.metric)
            best[figure.case] = min(now, figure.metric, key=_PREFERRED.index)
    return [figure for figure in compared if best.get(figure.case) == figure.metric]


def _bounds(figures: Sequence[Figure]) -> tuple[int, int]:
    """Return the powers of two that enclose all ratios, 1/2 and 2 at least."""
    ends = [
        log2(end)
        for figure in figures
        if figure.ratio
        for end in (figure.ratio.least, figure.ratio.greatest)
        if end > 0
    ]
    return min([-1, *map(floor, ends)]), max([1, *map(ceil, ends)])


def _x(value: float, bounds: tuple[int, int]) -> float:
    low, high = bounds
    # A ratio of 0 has no place on a log scale; it lies at its left end.
    position = (log2(value) - low) / (high - low) if value > 0 else 0.0
    return _LABELS_PX + position * _SCALE_PX


def _grid(low: int, high: int, height_px: int) -> list[str]:
    lines = []
    for power in range(low, high + 1):
        x = _x(2.0**power, (low, high))
        label = f"{2**power}" if power >= 0 else f"1/{2**-power}"
        colour = "#000000" if power == 0 else "#dddddd"
        lines.append(f'<path d="M{x:.1f} {_MARGIN_PX - 8}V{height_px - _MARGIN_PX}" stroke="{colour}"/>')
        lines.append(f'<text x="{x:.1f}" y="{height_px - _MARGIN_PX + 16}" text-anchor="middle">{label}</text>')
    return lines


def _row(figure: Figure, y: float, bounds: tuple[int, int], colour: str) -> list[str]:
    if figure.ratio is None:
        return []
    metric = BY_KEY[figure.metric]
    arrow = "↑" if metric.more_is_better else "↓"
    label = escape(f"{figure.case}: {figure.peer} / {figure.reference}, {metric.title} {arrow}")
    least, middle, most = (
        _x(value, bounds) for value in (figure.ratio.least, figure.ratio.median, figure.ratio.greatest)
    )
    return [
        f'<text x="{_LABELS_PX - 8}" y="{y + 4:.1f}" text-anchor="end" font-size="9">{label}</text>',
        f'<path d="M{least:.1f} {y:.1f}H{most:.1f}" stroke="{colour}" stroke-width="3" opacity="0.5"/>',
        f'<circle cx="{middle:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>',
    ]
