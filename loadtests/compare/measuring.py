"""One run on a running server: timed, or to count its system calls, or to see what its connections take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loadtests.baselines import Running
from loadtests.bench import syscalls
from loadtests.bench.errors import BenchError
from loadtests.bench.kernel_tls import encrypting
from loadtests.bench.processors import Processors
from loadtests.compare.driving import Load, Order, drive
from loadtests.compare.holding import held
from loadtests.compare.netstat import NetworkCounts
from loadtests.compare.samples import RowKey, Sample
from loadtests.compare.usage import Usage, read_usage

_GIGABYTE = 1e9
_MEGABYTE = 1e6
# A few connections first: what a server makes once, it makes for them.
_WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run needs: processors, and a folder for what the client says."""

    processors: Processors
    folder: Path


def timed(running: Running, key: RowKey, number: int, order: Order, tools: Tools) -> Sample:
    """Drive the server and read what that cost it."""
    try:
        with encrypting(by_kernel=key.server.endswith("-kernel")):
            network, before = NetworkCounts.read(), read_usage(running.pids)
            load = drive(running.url, running.protocol, order, tools.processors, tools.folder)
            used, counted = read_usage(running.pids).since(before), NetworkCounts.read().since(network)
    except BenchError as error:
        return Sample(key, number, problem=str(error))
    if load.problem:
        return Sample(key, number, load.requests, load.failures, problem=load.problem)
    return Sample(key, number, load.requests, 0, timed_values(load, used, counted))


def timed_values(load: Load, used: Usage, counted: NetworkCounts) -> dict[str, float]:
    """Compute the figures of a timed run."""
    gigabytes, thousands = load.bytes / _GIGABYTE, load.requests / 1000
    parts_s = {"cpu": used.cpu_s}
    if used.user_share is not None:
        parts_s["cpu_user"] = used.cpu_s * used.user_share
        parts_s["cpu_system"] = used.cpu_s * (1 - used.user_share)
    return {
        "requests_per_s": load.requests / load.duration_s,
        "gb_per_s": gigabytes / load.duration_s,
        **load.percentiles_ms,
        **{f"{part}_s_per_gb": part_s / gigabytes for part, part_s in parts_s.items()},
        **{f"{part}_s_per_1000_requests": part_s / thousands for part, part_s in parts_s.items()},
        "server_busy": used.cpu_s / load.duration_s,
        "context_switches_per_mb": used.context_switches / (load.bytes / _MEGABYTE),
        "tcp_retransmits": counted.tcp_retransmits,
        "udp_drops": counted.udp_drops,
    }


def counted_calls(running: Running, key: RowKey, order: Order, tools: Tools) -> Sample:
    """Count the server's system calls in a run of their own: counting slows it down."""
    try:
        with syscalls.counter(running.pids, tools.folder) as counter:
            load = drive(running.url, running.protocol, order, tools.processors, tools.folder)
        counts = counter.counts()
    except BenchError as error:
        return Sample(key, 0, problem=f"while its system calls were counted: {error}")
    if load.problem:
        return Sample(key, 0, load.requests, load.failures, problem=load.problem)
    megabytes = load.bytes / _MEGABYTE
    most = sorted(counts.items(), key=lambda item: -item[1])
    names = ", ".join(f"{name} {count / megabytes:.3g}" for name, count in most if count * 100 > sum(counts.values()))
    values = {"syscalls_per_mb": sum(counts.values()) / megabytes}
    return Sample(key, 0, load.requests, 0, values, detail=f"{names} per MB (counted by {counter.program})")


def memory(running: Running, path: str, ca: Path, count: int, tools: Tools) -> float:
    """Return the growth of the processes' resident memory for each of ``count`` connections, in bytes.

    Raises BenchError where they can't be had.
    """
    url = running.url + path
    with held(url, running.protocol, ca, _WARM_UP, tools.processors):
        pass
    before = read_usage(running.pids)
    with held(url, running.protocol, ca, count, tools.processors):
        grown_bytes = read_usage(running.pids).resident_bytes - before.resident_bytes
    # Less than nothing is what a server gave back meanwhile.
    return max(0.0, grown_bytes / count)
