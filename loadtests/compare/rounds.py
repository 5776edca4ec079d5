"""The order of things on this machine: all servers up at once, each run on one after the other, round by round.

Where a run gives no figure, its row is lost, and nothing more is asked of that server in the same scenario. The order
rotates from round to round, so that none comes always after the same one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from loadtests.baselines import BASELINES, Running, Site
from loadtests.bench.errors import BenchError
from loadtests.bench.progress import Progress
from loadtests.compare import measuring, namespace
from loadtests.compare.driving import Order
from loadtests.compare.ground import Ground, verify
from loadtests.compare.measuring import Tools
from loadtests.compare.samples import RowKey, Sample
from loadtests.compare.scenarios import Scenario

# The run in which system calls are counted: long enough that its handshakes are few beside its requests.
_COUNTING_S = 2
CONNECTIONS = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured on this machine."""

    servers: Sequence[str]
    scenarios: Sequence[Scenario]
    mtus: Sequence[int]
    rounds: int
    duration_s: int
    # The scenarios in which system calls are counted: having perf attach to a server takes seconds.
    counted: Sequence[Scenario]

    def steps(self) -> int:
        """Count what progress is told of: starts, connections held, timed runs, runs in which calls are counted."""
        runs = len(self.scenarios) * self.rounds + len(self.counted)
        return len(self.mtus) * len(self.servers) * (2 + runs)


def rotated(servers: Sequence[str], number: int) -> list[str]:
    """Return the order of a round."""
    first = number % len(servers) if servers else 0
    return [*servers[first:], *servers[:first]]


def run(plan: Plan, ground: Ground, tools: Tools, progress: Progress) -> Iterator[Sample]:
    """Yield a sample for each run, the refused included."""
    for mtu in plan.mtus:
        namespace.set_mtu(mtu)
        with ExitStack() as stack:
            measured = _Measured(plan, ground, tools, mtu, progress)
            yield from measured.start(stack)
            yield from measured.connections()
            for number in range(plan.rounds):
                for scenario in plan.scenarios:
                    yield from measured.timed(scenario, number)
            for scenario in plan.counted:
                yield from measured.calls(scenario)


class _Measured:
    """The servers under one MTU, and which rows are lost."""

    def __init__(self, plan: Plan, ground: Ground, tools: Tools, mtu: int, progress: Progress) -> None:
        self._plan = plan
        self._ground = ground
        self._tools = tools
        self._mtu = mtu
        self._progress = progress
        self._running: dict[str, Running] = {}
        self._lost: set[RowKey] = set()

    def start(self, stack: ExitStack) -> Iterator[Sample]:
        """Start all; one that doesn't answer loses its rows."""
        pem = self._ground.pem
        site = Site(self._ground.tree, pem, pem, pem)
        for name in self._plan.servers:
            self._progress.step(f"starting {name}, MTU {self._mtu}")
            try:
                baseline = BASELINES[name].start(site, cpus=(self._tools.processors.server,))
                running = stack.enter_context(baseline)
                verify(running, self._ground)
                self._running[name] = running
            except BenchError as error:
                for scenario in self._plan.scenarios:
                    yield self._lose(Sample(self._key(name, scenario), 0, problem=f"at its start: {error}"))

    def connections(self) -> Iterator[Sample]:
        """See what connections take, before anything else has made the servers' memory grow."""
        for name in self._plan.servers:
            self._progress.step(f"{CONNECTIONS} connections to {name}, MTU {self._mtu}")
            if name not in self._running:
                continue
            for scenario in self._plan.scenarios[:1]:
                sample = Sample(self._key(name, scenario), 0)
                try:
                    taken = measuring.memory(
                        self._running[name], self._ground.paths[0], self._ground.pem, CONNECTIONS, self._tools
                    )
                    sample = replace(sample, values={"memory_bytes_per_connection": taken})
                except BenchError as error:
                    sample = replace(sample, problem=str(error))
                yield self._lose(sample)

    def timed(self, scenario: Scenario, number: int) -> Iterator[Sample]:
        """Measure a round."""
        for name in rotated(self._plan.servers, number):
            self._progress.step(f"{scenario.name} from {name}, MTU {self._mtu}, round {number + 1}")
            key = self._key(name, scenario)
            if key not in self._lost:
                order = self._order(scenario, self._plan.duration_s)
                yield self._lose(measuring.timed(self._running[name], key, number, order, self._tools))

    def calls(self, scenario: Scenario) -> Iterator[Sample]:
        """Count system calls, after all that is timed."""
        for name in self._plan.servers:
            self._progress.step(f"system calls of {name}, {scenario.name}, MTU {self._mtu}")
            key = self._key(name, scenario)
            if key not in self._lost:
                order = self._order(scenario, _COUNTING_S)
                yield self._lose(measuring.counted_calls(self._running[name], key, order, self._tools))

    def _key(self, name: str, scenario: Scenario) -> RowKey:
        return RowKey(name, str(BASELINES[name].protocol), self._mtu, scenario.name)

    def _order(self, scenario: Scenario, duration_s: int) -> Order:
        return Order(scenario.file, self._ground.manifest, self._ground.pem, scenario.users, duration_s)

    def _lose(self, sample: Sample) -> Sample:
        if sample.problem:
            self._lost.add(sample.key)
        return sample
