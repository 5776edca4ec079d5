"""What the runs come to: medians and spread, lines through the batch sizes, and gains over one call for each packet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from loadtests.bench.comparing import Spread, ratio_of, spread
from loadtests.syscalls.basics import PACKET_BYTES
from loadtests.syscalls.claims import BATCH, BATCHES, RATES_GBIT_S, Line, claimed_gain, core_gbit_s, fit, waiting_us
from loadtests.syscalls.measuring import Measured
from loadtests.syscalls.subjects import Method

# The payload that makes a packet of 1500 bytes, with the headers of IPv4 and UDP.
PAYLOAD_BYTES = PACKET_BYTES - 20 - 8
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Results:
    """All that was measured; ``absent`` says what was not, and why."""

    command: str
    machine: Mapping[str, str]
    absent: Sequence[str]
    measured: Sequence[Measured]

    def find(self, method: Method, unit_bytes: int | None = None) -> list[Measured]:
        """Return the cases of a method that have figures, in order."""
        return [
            result
            for result in self.measured
            if result.runs and result.case.method is method and unit_bytes in (None, result.case.unit_bytes)
        ]

    def problems(self) -> list[str]:
        """Return what went wrong, each once."""
        return list(dict.fromkeys(problem for result in self.measured for problem in result.problems))


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call of some kind costs by itself, and each packet that it carries; ``name`` says which kind."""

    name: str
    line: Line


def call_ns(result: Measured) -> Spread:
    """Describe the nanoseconds of a call."""
    return spread([run.call_ns for run in result.runs.values()])


def both_ns(result: Measured) -> Spread:
    """Describe the nanoseconds of a call, and of the receiver for what it carried."""
    return spread([run.call_ns + run.receiver_ns for run in result.runs.values()])


def loop_ns(result: Measured) -> Spread:
    """Describe the nanoseconds of the loop around a call, which are subtracted."""
    return spread([run.loop_ns for run in result.runs.values()])


def packet_ns(result: Measured) -> Spread:
    """Describe the nanoseconds of a packet."""
    return spread(list(result.per_packet_ns().values()))


def gain(reference: Measured, result: Measured) -> Spread | None:
    """Describe how many times cheaper a packet is than in ``reference``, by pairs of the same round."""
    return ratio_of(reference.per_packet_ns(), result.per_packet_ns())


def costs(results: Results) -> list[Cost]:
    """Return the call and the packet, in each sense in which they were measured."""
    found = []
    for method, name in (
        (Method.COPY_CACHE, "getppid, and a copy from the cache"),
        (Method.COPY_MEMORY, "getppid, and a copy from memory"),
    ):
        for call, copy in zip(results.find(Method.CALL), results.find(method), strict=False):
            found.append(Cost(name, Line(call_ns(call).median, packet_ns(copy).median)))
    for method in (Method.SENDMMSG, Method.GSO, Method.GSO_WHOLE):
        found += _line(str(method), results.find(method, PAYLOAD_BYTES))
    return [*found, *_line("sendfile", results.find(Method.SENDFILE))]


def _line(name: str, measured: Iterable[Measured]) -> list[Cost]:
    """Fit a line to medians, by the number of 1500-byte packets in a call; nothing where there aren't two sizes."""
    points: dict[float, float] = {
        (result.case.unit_bytes / PACKET_BYTES if result.case.method is Method.SENDFILE else result.case.packets): (
            call_ns(result).median
        )
        for result in measured
        if _one_datagram(result)
    }
    return [Cost(name, fit(points))] if len(points) > 1 else []


def _one_datagram(result: Measured) -> bool:
    """Tell whether a call is a single one of its kind: a batch above 64 KB is several large datagrams."""
    if result.case.method not in (Method.GSO, Method.GSO_WHOLE):
        return True
    return result.case.packets * result.case.unit_bytes < 1 << 16


def gains(results: Results) -> list[tuple[str, Spread]]:
    """Return how many times cheaper a packet is in a batch of 32 than with one sendto for each."""
    found = []
    for reference in results.find(Method.SENDTO, PAYLOAD_BYTES):
        for method in (Method.SENDMMSG, Method.GSO, Method.GSO_WHOLE):
            for result in results.find(method, PAYLOAD_BYTES):
                ratio = gain(reference, result)
                if result.case.packets == BATCH and ratio is not None:
                    found.append((str(method), ratio))
    return found


def to_json(results: Results) -> dict[str, object]:
    """Return the results as JSON knows them, every run included."""
    return {
        "format": _FORMAT,
        "command": results.command,
        "machine": dict(results.machine),
        "absent": list(results.absent),
        "problems": results.problems(),
        "cases": [_case_to_json(result) for result in results.measured],
        "costs": [
            {
                "name": cost.name,
                **asdict(cost.line),
                "overhead": {str(batch): cost.line.overhead(batch) for batch in (1, BATCH)},
            }
            for cost in costs(results)
        ],
        "gains": {"claimed": claimed_gain(BATCH), **{name: asdict(ratio) for name, ratio in gains(results)}},
        "waiting_us": {str(batch): {str(rate): waiting_us(batch, rate) for rate in RATES_GBIT_S} for batch in BATCHES},
    }


def _case_to_json(result: Measured) -> dict[str, object]:
    document: dict[str, object] = {
        "case": result.case.key,
        "method": str(result.case.method),
        "unit_bytes": result.case.unit_bytes,
        "packets": result.case.packets,
        "calls": result.calls,
        "runs": [{"round": number, **asdict(run)} for number, run in result.runs.items()],
        "problems": result.problems,
    }
    if result.runs:
        document |= {
            "call_ns": asdict(call_ns(result)),
            "packet_ns": asdict(packet_ns(result)),
            "both_ns": asdict(both_ns(result)),
            "loop_ns": asdict(loop_ns(result)),
        }
        if result.case.unit_bytes:
            document["core_gbit_s"] = core_gbit_s(packet_ns(result).median, result.case.unit_bytes)
    return document
