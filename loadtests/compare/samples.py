"""What is measured, in which unit, and what one run gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum


class Unit(StrEnum):
    """What a server's cost is counted in; figures of two units never stand in one table nor in one ratio."""

    SECONDS = "seconds"
    INSTRUCTIONS = "instructions"


class Group(StrEnum):
    """The table in which a metric stands."""

    COST = "What it cost the server"
    RATE = "How fast it was"
    CAUSE = "Where it went"


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure: its key in the results, how people read it, its table, and whether a ratio of it means anything."""

    key: str
    title: str
    group: Group
    compared: bool = True


METRICS = (
    Metric("cpu_s_per_gb", "CPU s/GB", Group.COST),
    Metric("cpu_user_s_per_gb", "user s/GB", Group.COST),
    Metric("cpu_system_s_per_gb", "system s/GB", Group.COST),
    Metric("cpu_s_per_1000_requests", "CPU s/1000 requests", Group.COST),
    Metric("cpu_user_s_per_1000_requests", "user s/1000 requests", Group.COST),
    Metric("cpu_system_s_per_1000_requests", "system s/1000 requests", Group.COST),
    Metric("instructions_per_gb", "instructions/GB", Group.COST),
    Metric("instructions_per_request", "instructions/request", Group.COST),
    Metric("requests_per_s", "requests/s", Group.RATE),
    Metric("gb_per_s", "GB/s", Group.RATE),
    Metric("p50_ms", "p50 ms", Group.RATE),
    Metric("p95_ms", "p95 ms", Group.RATE),
    Metric("p99_ms", "p99 ms", Group.RATE),
    Metric("server_busy", "share of its CPU", Group.RATE, compared=False),
    Metric("syscalls_per_mb", "system calls/MB", Group.CAUSE),
    Metric("context_switches_per_mb", "context switches/MB", Group.CAUSE),
    Metric("memory_bytes_per_connection", "bytes/connection", Group.CAUSE),
    Metric("tcp_retransmits", "TCP retransmits", Group.CAUSE, compared=False),
    Metric("udp_drops", "UDP drops", Group.CAUSE, compared=False),
)
BY_KEY = {metric.key: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class RowKey:
    """What a row of the results is about."""

    server: str
    protocol: str
    mtu: int
    scenario: str
    unit: Unit = Unit.SECONDS


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run gave: ``values`` by metric key, or the ``problem`` that makes the whole row worth nothing.

    ``detail`` explains a value, such as the system calls by name.
    """

    key: RowKey
    round: int
    requests: int = 0
    failures: int = 0
    values: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""
    detail: str = ""


def sample_to_json(sample: Sample) -> dict[str, object]:
    """Return the sample as JSON knows it."""
    return asdict(sample)


def sample_from_json(document: Mapping[str, object]) -> Sample:
    """Build a sample from ``sample_to_json``'s result; raises ValueError where it isn't one."""
    match document:
        case {
            "key": {
                "server": str(server),
                "protocol": str(protocol),
                "mtu": int(mtu),
                "scenario": str(scenario),
                "unit": str(unit),
            },
            "round": int(number),
            "requests": int(requests),
            "failures": int(failures),
            "values": dict(values),
            "problem": str(problem),
            "detail": str(detail),
        }:
            key = RowKey(server, protocol, mtu, scenario, Unit(unit))
            figures = {str(name): float(value) for name, value in values.items()}
            return Sample(key, number, requests, failures, figures, problem, detail)
    raise ValueError(f"not a sample: {document!r}")
