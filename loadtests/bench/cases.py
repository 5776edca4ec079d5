"""The cases: what is measured on a running server, each giving values by metric key."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loadtests.bench import client, handshakes, procfs, syscalls, wrk
from loadtests.bench.errors import RunFailed
from loadtests.bench.processors import Processors
from loadtests.bench.servers import Server
from loadtests.bench.workloads import Mode, Workload, target

_LEAST_ANSWERS = 10


@dataclass(frozen=True, slots=True)
class Result:
    """Values by metric key, and what explains them."""

    values: dict[str, float]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every case needs: processors, how long a run takes, and a folder for scripts."""

    processors: Processors
    duration_s: int
    folder: Path


class Case(Protocol):
    """One thing measured in one mode."""

    @property
    def name(self) -> str:
        """How options and reports call it."""

    @property
    def mode(self) -> Mode:
        """Who encrypts."""

    @property
    def once(self) -> bool:
        """Whether one round is enough, because the figure hardly varies."""

    def measure(self, server: Server, tools: Tools) -> Result:
        """Run it once; raises RunFailed where there is no figure."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Requests as fast as the server answers them."""

    workload: Workload
    once: bool = False

    @property
    def name(self) -> str:
        """The workload's name."""
        return self.workload.name

    @property
    def mode(self) -> Mode:
        """The workload's mode."""
        return self.workload.mode

    def measure(self, server: Server, tools: Tools) -> Result:
        """Return rates, latencies and CPU time. The CPU time includes the connections' handshakes."""
        server.check(self.workload.size)
        before_ns = procfs.cpu_time_ns(server.pids())
        load = wrk.run(
            self.workload, server.place.url(self.workload.path), tools.duration_s, tools.processors, tools.folder
        )
        cpu_s = (procfs.cpu_time_ns(server.pids()) - before_ns) / 1e9
        values = {
            "gigabytes_per_s": load.bytes / load.duration_s / 1e9,
            "cpu_s_per_gigabyte": cpu_s / load.bytes * 1e9,
            "server_busy": cpu_s / load.duration_s,
        }
        # Too few answers tell the bytes' rate, which counts those under way, and nothing else.
        if load.requests >= _LEAST_ANSWERS:
            values |= {
                "requests_per_s": load.requests / load.duration_s,
                "cpu_s_per_1000_requests": cpu_s / load.requests * 1000,
                "p50_ms": load.p50_ms,
                "p99_ms": load.p99_ms,
            }
        return Result(values)


@dataclass(frozen=True, slots=True)
class Syscalls:
    """The system calls of a short run of their own: counting them slows the server down."""

    workload: Workload
    once: bool = True

    @property
    def name(self) -> str:
        """The workload's name behind what is counted."""
        return f"{self.workload.mode}/system-calls/{self.workload.size}"

    @property
    def mode(self) -> Mode:
        """The workload's mode."""
        return self.workload.mode

    def measure(self, server: Server, tools: Tools) -> Result:
        """Return the calls per request, and in the detail those of each name."""
        server.check(self.workload.size)
        with syscalls.counter(server.pids(), tools.folder) as counter:
            url = server.place.url(self.workload.path)
            load = wrk.run(self.workload, url, 1, tools.processors, tools.folder)
        if not load.requests:
            raise RunFailed("no answer was complete in time")
        counts = counter.counts()
        most = sorted(counts.items(), key=lambda item: -item[1])
        detail = ", ".join(f"{name} {count / load.requests:.2f}" for name, count in most if count * 100 > load.requests)
        return Result(
            {"syscalls_per_request": sum(counts.values()) / load.requests}, f"{detail} (by {counter.program})"
        )


@dataclass(frozen=True, slots=True)
class IdleConnections:
    """The memory that connections take which have made one request and wait for the next."""

    mode: Mode
    count: int
    once: bool = True

    @property
    def name(self) -> str:
        """The mode and what is looked at."""
        return f"{self.mode}/idle-connections/{self.count}"

    def measure(self, server: Server, tools: Tools) -> Result:
        """Return the growth of the server's proportional set size for each connection; the kernel's own isn't in it."""
        del tools
        server.check("1KiB")
        before_bytes = procfs.memory_bytes(server.pids())
        with ExitStack() as stack:
            for _ in range(self.count):
                connection = client.connect(server.place.port, server.trusted())
                stack.callback(connection.close)
                client.fetch(connection, target("1KiB"))
            grown_bytes = procfs.memory_bytes(server.pids()) - before_bytes
        return Result({"bytes_per_connection": grown_bytes / self.count})


@dataclass(frozen=True, slots=True)
class Handshakes:
    """Full handshakes, one connection each, without a request."""

    mode: Mode
    once: bool = False

    @property
    def name(self) -> str:
        """The mode and what is done."""
        return f"{self.mode}/handshakes"

    def measure(self, server: Server, tools: Tools) -> Result:
        """Return handshakes by second and by second of the server's CPU time."""
        server.check("1KiB")
        before_ns = procfs.cpu_time_ns(server.pids())
        started_s = time.monotonic()
        count = handshakes.run(server.place.port, tools.duration_s, tools.processors, tools.folder)
        duration_s = time.monotonic() - started_s
        cpu_s = (procfs.cpu_time_ns(server.pids()) - before_ns) / 1e9
        return Result(
            {
                "handshakes_per_s": count / duration_s,
                "handshakes_per_cpu_s": count / cpu_s,
                "server_busy": cpu_s / duration_s,
            }
        )
