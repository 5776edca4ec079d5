"""The report as Markdown: the figures, what they make of the claims, and the time that a batch takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from loadtests.bench.comparing import Spread
from loadtests.bench.report import number, ratio
from loadtests.syscalls.basics import PACKET_BYTES
from loadtests.syscalls.claims import (
    BATCH,
    BATCHES,
    CLAIMED_CALL,
    RATES_GBIT_S,
    Line,
    claimed_gain,
    claimed_overhead,
    core_gbit_s,
    waiting_us,
)
from loadtests.syscalls.results import Results, both_ns, call_ns, costs, gain, gains, loop_ns, packet_ns
from loadtests.syscalls.subjects import DATAGRAMS, Method

_LEGEND = (
    "Nanoseconds are processor time of the sender: the median of the rounds (least to greatest). Python's loop is "
    "subtracted; the last column says how much that was for each call."
)
_MANY = "GSO carries at most 64 KB in a call: larger batches are several such datagrams in one sendmmsg."
_KIB = 1024


def render(results: Results) -> str:
    """Return the report."""
    parts = [
        "# System calls, copies and batches",
        f"`{results.command}`",
        "\n".join(f"- {name}: {value}" for name, value in results.machine.items()),
    ]
    if results.absent or results.problems():
        parts += ["## Not measured", "\n".join(f"- {reason}" for reason in (*results.absent, *results.problems()))]
    parts += ["## The claims", *_claims(results), "## Figures", _LEGEND, _basics(results)]
    payloads = dict.fromkeys(result.case.unit_bytes for method in DATAGRAMS for result in results.find(method))
    for payload in payloads:
        parts += [f"### Datagrams of {payload} bytes", _datagrams(results, payload)]
    if payloads:
        parts.append(_MANY)
    if results.find(Method.SENDFILE):
        parts += ["### sendfile, TCP", _sendfile(results)]
    parts += ["## What a batch takes on the wire", *_waiting()]
    return "\n\n".join(parts) + "\n"


def percent(part: float) -> str:
    """Return a part as a percentage of two digits or more."""
    return f"{100 * part:.0f} %" if part >= 0.1 else f"{100 * part:.1f} %"


def size(size_bytes: int) -> str:
    """Return a slice's size as people write it."""
    return f"{size_bytes // _KIB**2} MiB" if size_bytes >= _KIB**2 else f"{size_bytes // _KIB} KiB"


def _claims(results: Results) -> list[str]:
    claimed = Line(CLAIMED_CALL, 1.0)
    rows = [("**as claimed**", "3 parts", "1 part", *_overheads(claimed))]
    rows += [
        (cost.name, number(cost.line.call_ns), number(cost.line.packet_ns), *_overheads(cost.line))
        for cost in costs(results)
    ]
    head = (
        "call, and packet",
        "the call, ns",
        "each packet, ns",
        "one packet a call adds",
        f"{BATCH} a call add",
        "10 % is reached with",
    )
    cheaper = [
        ("**as claimed**", f"{claimed_gain(BATCH):.2f}"),
        *((name, ratio(gain)) for name, gain in gains(results)),
    ]
    claim = (
        f"Claimed for packets of {PACKET_BYTES} bytes: one call for each costs {percent(claimed_overhead(1))} on top, "
        f"{BATCH} in a call {percent(claimed_overhead(BATCH))}."
    )
    return [
        claim,
        _table(head, rows),
        f"A packet in a batch of {BATCH} is so many times cheaper than with a sendto of its own:",
        _table(("how", "times cheaper"), cheaper),
    ]


def _overheads(line: Line) -> tuple[str, str, str]:
    return percent(line.overhead(1)), percent(line.overhead(BATCH)), f"{line.batch_for(0.1):.0f}"


def _basics(results: Results) -> str:
    rows = [
        (f"{method}, {result.case.unit_bytes} bytes" if result.case.unit_bytes else str(method), *_times(result_ns))
        for method in (Method.CALL, Method.COPY_CACHE, Method.COPY_MEMORY)
        for result in results.find(method)
        for result_ns in [(packet_ns(result), loop_ns(result))]
    ]
    return _table(("what", "ns", "loop, ns a call"), rows)


def _times(pair: tuple[Spread, Spread]) -> tuple[str, str]:
    return spread_ns(pair[0]), number(pair[1].median)


def spread_ns(values: Spread) -> str:
    """Return nanoseconds with their spread."""
    return f"{number(values.median)} ({number(values.least)} to {number(values.greatest)})"


def _datagrams(results: Results, payload: int) -> str:
    reference = next(iter(results.find(Method.SENDTO, payload)), None)
    rows = []
    for method in DATAGRAMS:
        for result in results.find(method, payload):
            cheaper = gain(reference, result) if reference else None
            each = packet_ns(result)
            rows.append(
                (
                    str(method),
                    str(result.case.packets),
                    spread_ns(each),
                    number(call_ns(result).median),
                    ratio(cheaper) if cheaper else "",
                    number(core_gbit_s(each.median, payload)),
                    number(loop_ns(result).median),
                )
            )
    head = ("how", "batch", "ns a packet", "ns a call", "times cheaper than sendto", "Gbit/s a processor", "loop, ns")
    return _table(head, rows)


def _sendfile(results: Results) -> str:
    rows = []
    for result in results.find(Method.SENDFILE):
        slice_ns = call_ns(result)
        rows.append(
            (
                size(result.case.unit_bytes),
                spread_ns(slice_ns),
                number(slice_ns.median * PACKET_BYTES / result.case.unit_bytes),
                number(both_ns(result).median * PACKET_BYTES / result.case.unit_bytes),
                number(core_gbit_s(slice_ns.median, result.case.unit_bytes)),
                number(loop_ns(result).median),
            )
        )
    each = f"ns for {PACKET_BYTES} bytes"
    return _table(("slice", "ns a call", each, "with the receiver", "Gbit/s a processor", "loop, ns"), rows)


def _waiting() -> list[str]:
    rows = [(str(batch), *(number(waiting_us(batch, rate)) for rate in RATES_GBIT_S)) for batch in BATCHES]
    meaning = (
        f"Microseconds for a batch of {PACKET_BYTES}-byte packets. Where packets come one by one at this rate, the "
        "first waits so long for the last; where all are there at once, whoever comes behind them does."
    )
    return [
        meaning,
        _table(("batch", *(f"{rate} Gbit/s" for rate in RATES_GBIT_S)), rows),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
