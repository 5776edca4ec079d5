"""What is measured and in which unit, and what one run gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure: its key in the results, how people read it, and whether more of it is better."""

    key: str
    title: str
    more_is_better: bool


METRICS = (
    Metric("requests_per_s", "requests/s", more_is_better=True),
    Metric("gigabytes_per_s", "GB/s", more_is_better=True),
    Metric("cpu_s_per_gigabyte", "CPU s/GB", more_is_better=False),
    Metric("cpu_s_per_1000_requests", "CPU s/1000 requests", more_is_better=False),
    Metric("p50_ms", "p50 ms", more_is_better=False),
    Metric("p99_ms", "p99 ms", more_is_better=False),
    Metric("syscalls_per_request", "system calls/request", more_is_better=False),
    Metric("bytes_per_connection", "bytes/connection", more_is_better=False),
    Metric("handshakes_per_s", "handshakes/s", more_is_better=True),
    Metric("handshakes_per_cpu_s", "handshakes/CPU s", more_is_better=True),
    Metric("instructions_per_gigabyte", "instructions/GB", more_is_better=False),
    Metric("instructions_per_request", "instructions/request", more_is_better=False),
    # Neither good nor bad: far below 1, the client or another program was the limit, and rates tell little.
    Metric("server_busy", "server's share of its CPU", more_is_better=True),
)
BY_KEY = {metric.key: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run of ``case`` on ``peer`` gave in ``round``: ``values`` by metric key, or the ``problem`` instead."""

    case: str
    peer: str
    round: int
    values: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""
    # What explains a value, such as the system calls by name.
    detail: str = ""


def sample_to_json(sample: Sample) -> dict[str, object]:
    """Return the sample as JSON knows it."""
    return asdict(sample)


def sample_from_json(document: Mapping[str, object]) -> Sample:
    """Build a sample from ``sample_to_json``'s result; raises ValueError where it isn't one."""
    match document:
        case {"case": str(case), "peer": str(peer), "round": int(number), "values": dict(values), **rest}:
            return Sample(
                case,
                peer,
                number,
                {str(key): float(value) for key, value in values.items()},
                str(rest.get("problem", "")),
                str(rest.get("detail", "")),
            )
    raise ValueError(f"not a sample: {document!r}")
