"""Figures and facts as people read them, in the Markdown and the HTML report alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loadtests.bench.comparing import Spread
from loadtests.compare.rows import REFERENCES, Figure, Row
from loadtests.compare.samples import Group, Metric, Unit

METHOD = (
    (
        "All servers serve the same files with the same certificate, on one processor of their own, in a network "
        "namespace of their own whose loopback has the MTU that stands with each figure."
    ),
    (
        "One client for both protocols: locust with libcurl (pycurl), which checks status, length and protocol version "
        "of every answer and the hash of many; before, every file was fetched once and compared whole."
    ),
    (
        "Rounds are interleaved, in an order that rotates. A figure is the median of the rounds, beside it the least "
        "and the greatest; × is the ratio to the reference in the same round."
    ),
    (
        "CPU time is that of the server's processes, and includes its handshakes. System calls are counted in a short "
        "run of their own, never in a timed one."
    ),
    "A row with a failed request or a wrong answer is refused: it has no figures and no ratios.",
)
LIMITS = (
    "The client is the bottleneck of most rows: rank servers by CPU time per gigabyte or request, not by requests/s.",
    "libcurl receives without GRO, which at MTU 1500 costs a QUIC server about 1.4 times what it would with GRO.",
    "The loopback's usual MTU of 65536 flatters everybody, and QUIC most: real networks are like the rows for 1500.",
    "aioquic measures Python more than QUIC, and qh3 a part of it: the fair baseline for QUIC is nginx with GSO.",
    "No network device takes part: neither TLS offload nor a device's segmentation can show, nor loss or delay.",
    "Memory for each connection is the process's alone: what the kernel keeps for sockets isn't in it.",
)
INSTRUCTIONS_LIMITS = (
    (
        "Instructions are counted on an emulated machine (QEMU's icount), where wall time means nothing: they are no "
        "seconds, and one instruction takes longer than another."
    ),
    "One instruction of AES (AES-NI) does much work: a ratio of instructions isn't one of times.",
    "One processor serves client and server there: what the kernel does for a packet counts for whoever it interrupts.",
)


def number(value: float) -> str:
    """Return three significant digits at least, thousands set apart, thousands of millions as such."""
    if abs(value) >= 1e9:
        return f"{value / 1e9:.3g} G"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g} M"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == int(value):
        return str(int(value))
    return f"{value:.3g}"


def between(values: Spread) -> str:
    """Return the ends of a spread, "" where there was one round or all were the same."""
    least, greatest = number(values.least), number(values.greatest)
    return "" if least == greatest else f"{least}–{greatest}"


def times(ratio: Spread) -> str:
    """Return a ratio: ``2.56×``, from 100 on without digits behind the point."""
    return f"{ratio.median:,.0f}×" if ratio.median >= 100 else f"{ratio.median:.3g}×"


def cell(figure: Figure | None) -> str:
    """Return a table's cell: median, spread and ratio, "–" for what wasn't measured."""
    if figure is None:
        return "–"
    ends = between(figure.values)
    parts = [number(figure.values.median), *([f"({ends})"] if ends else [])]
    if figure.ratio is not None:
        parts.append(f"· {times(figure.ratio)}")
    return " ".join(parts)


def title(unit: Unit, mtu: int, scenario: str) -> str:
    """Return the heading of what was measured together."""
    what = "seconds, on this machine" if unit is Unit.SECONDS else "instructions, on an emulated machine"
    return f"{scenario}, MTU {mtu} ({what})"


def sections(rows: Iterable[Row]) -> dict[tuple[Unit, int, str], list[Row]]:
    """Put together what may be compared: rows of the same unit, MTU and scenario; seconds come first."""
    found: dict[tuple[Unit, int, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row.key.unit is Unit.INSTRUCTIONS):
        found.setdefault((row.key.unit, row.key.mtu, row.key.scenario), []).append(row)
    return found


def shown_metrics(rows: Sequence[Row], metrics: Iterable[Metric], group: Group) -> list[Metric]:
    """Return the metrics of a table that any of the rows has."""
    return [metric for metric in metrics if metric.group is group and any(metric.key in row.figures for row in rows)]


def findings(rows: Iterable[Row], primary: str) -> str:
    """Say in a sentence what a section's primary metric shows: the reference's figure, and the others' ratios."""
    compared = sorted(
        ((row, row.figures[primary]) for row in rows if primary in row.figures),
        key=lambda pair: pair[1].values.median,
    )
    others = [
        f"{row.key.server} {times(figure.ratio)}"
        for row, figure in compared
        if figure.ratio is not None and row.key.server != REFERENCES[row.key.unit]
    ]
    own = next((figure for row, figure in compared if row.key.server == REFERENCES[row.key.unit]), None)
    return "" if own is None else f"{number(own.values.median)}; {', '.join(others) or 'nothing to compare with'}"
