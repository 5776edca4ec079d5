"""The figures as a picture (SVG): a packet by batch size beside what the claim makes of it, and sendfile by slice.

Colours are those of a light page. Where the reader's page is dark, a style sheet inside the picture replaces the few
that would not do: paper and ink.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from loadtests.bench.comparing import Spread
from loadtests.syscalls.basics import PACKET_BYTES
from loadtests.syscalls.claims import BATCHES, claimed_gain
from loadtests.syscalls.measuring import Measured
from loadtests.syscalls.report import size
from loadtests.syscalls.results import PAYLOAD_BYTES, Results, call_ns, packet_ns
from loadtests.syscalls.subjects import Method

_PAPER, _INK, _GRID = "#fefefd", "#232327", "#d9d9de"
_IN_THE_DARK = (
    ("fill", _PAPER, "#16161a"),
    ("fill", _INK, "#e3e3e8"),
    ("stroke", _INK, "#e3e3e8"),
    ("stroke", _GRID, "#3b3b42"),
)
# Of middling brightness: readable on both.
_COLOURS = {Method.SENDMMSG: "#d9730d", Method.GSO: "#2f8f5b", Method.GSO_WHOLE: "#3f7fd9", Method.SENDFILE: "#a05fc9"}
_LABELS = {Method.GSO: "GSO, cut by the kernel", Method.GSO_WHOLE: "GSO, left for a network card to cut"}
_CLAIM_COLOUR = "#8a8a92"


def plot(results: Results) -> str:
    """Return the picture; needs matplotlib."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra, which only the picture needs
    from matplotlib.figure import Figure  # noqa: PLC0415 - as above

    style: Any = {
        # Text stays text, and the same figures give the same bytes.
        "svg.fonttype": "none",
        "svg.hashsalt": "ktlsserve",
        "font.family": "sans-serif",
        "figure.facecolor": _PAPER,
        "axes.facecolor": _PAPER,
        "grid.color": _GRID,
        "legend.frameon": False,
    } | dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), _INK)
    with mpl.rc_context(style):
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        _draw_datagrams(left, results)
        _draw_sendfile(right, results.find(Method.SENDFILE))
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    head, start, rest = written.getvalue().partition("<defs>")
    return f"{head}{_style_sheet()}\n {start}{rest}"


def _style_sheet() -> str:
    """Return the rules for dark pages. They go before the colours that matplotlib writes into each element."""
    rules = [f'[style*="{kind}: {light}"] {{ {kind}: {dark} !important }}' for kind, light, dark in _IN_THE_DARK]
    return f"<style>@media (prefers-color-scheme: dark) {{ {' '.join(rules)} }}</style>"


def _draw_datagrams(axes: Any, results: Results) -> None:
    axes.set_title(f"UDP, packets of {PACKET_BYTES} bytes")
    axes.set_xlabel("packets in a call")
    axes.set_ylabel("sender's processor time for a packet, ns")
    for result in results.find(Method.SENDTO, PAYLOAD_BYTES):
        each = packet_ns(result).median
        axes.plot([1], [each], "D", color=_INK, label="sendto")
        predicted = [each / claimed_gain(batch) for batch in BATCHES]
        axes.plot(BATCHES, predicted, "--", color=_CLAIM_COLOUR, label="the claim: 300 % at 1, 10 % at 32")
    for method in (Method.SENDMMSG, Method.GSO, Method.GSO_WHOLE):
        measured = results.find(method, PAYLOAD_BYTES)
        points = [(result.case.packets, packet_ns(result)) for result in measured]
        _draw_line(axes, points, _COLOURS[method], _LABELS.get(method, str(method)))
    _finish(axes, list(BATCHES), [str(batch) for batch in BATCHES])


def _draw_sendfile(axes: Any, measured: Sequence[Measured]) -> None:
    axes.set_title("sendfile over TCP")
    axes.set_xlabel("slice")
    axes.set_ylabel(f"sender's processor time for {PACKET_BYTES} bytes, ns")
    slices = [result.case.unit_bytes for result in measured]
    points = [(count, _packet_of(result)) for count, result in zip(slices, measured, strict=True)]
    _draw_line(axes, points, _COLOURS[Method.SENDFILE], "sendfile")
    _finish(axes, slices, [size(count) for count in slices])


def _packet_of(result: Measured) -> Spread:
    """Return what 1500 bytes of a slice take."""
    whole, part = call_ns(result), PACKET_BYTES / result.case.unit_bytes
    return Spread(whole.median * part, whole.least * part, whole.greatest * part, whole.count)


def _draw_line(axes: Any, points: Sequence[tuple[int, Spread]], colour: str, label: str) -> None:
    """Draw the medians as a line, and the least and greatest as a band behind it."""
    if not points:
        return
    places = [place for place, _ in points]
    axes.plot(places, [values.median for _, values in points], "o-", color=colour, label=label, markersize=4)
    ends = [values.least for _, values in points], [values.greatest for _, values in points]
    axes.fill_between(places, *ends, color=colour, alpha=0.18, linewidth=0)


def _finish(axes: Any, places: Sequence[int], labels: Sequence[str]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(places, labels)
    # With room for the legend.
    axes.set_ylim(bottom=0, top=1.25 * axes.get_ylim()[1])
    axes.grid(visible=True, axis="y")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
