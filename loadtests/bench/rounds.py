"""The order of things: all servers of a mode up at once, each case on one after the other, round by round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.cases import Case, Tools
from loadtests.bench.errors import RunFailed
from loadtests.bench.peers import Peer
from loadtests.bench.place import Place, free_port
from loadtests.bench.progress import Progress
from loadtests.bench.samples import Sample
from loadtests.bench.servers import Server
from loadtests.bench.workloads import Mode


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured on which peers, how often."""

    cases: Sequence[Case]
    peers: Sequence[Peer]
    rounds: int

    def of(self, mode: Mode) -> tuple[list[Case], list[Peer]]:
        """Return the cases and the peers of a mode."""
        return [case for case in self.cases if case.mode is mode], [peer for peer in self.peers if mode in peer.modes]

    def steps(self) -> int:
        """Count the runs."""
        total = 0
        for mode in Mode:
            cases, peers = self.of(mode)
            total += sum(self.rounds_of(case) for case in cases) * len(peers)
        return total

    def rounds_of(self, case: Case) -> int:
        """Return how often a case is run on each peer."""
        return 1 if case.once else self.rounds


@dataclass(frozen=True, slots=True)
class Ground:
    """Where it happens: the tree, the certificate, a folder for everything else."""

    tree: Path
    pem: Path
    tools: Tools


def run(plan: Plan, ground: Ground, progress: Progress) -> Iterator[Sample]:
    """Yield a sample for each run, failed ones included."""
    for mode in Mode:
        cases, peers = plan.of(mode)
        if not cases:
            continue
        with ExitStack() as stack:
            servers: list[Server] = []
            reasons: dict[str, str] = {}
            for peer in peers:
                try:
                    servers.append(stack.enter_context(_start(peer, mode, ground)))
                except RunFailed as error:
                    reasons[peer.name] = str(error)
            for case in cases:
                yield from (Sample(case.name, name, 0, problem=reason) for name, reason in reasons.items())
                for number in range(plan.rounds_of(case)):
                    for server in reversed(servers) if number % 2 else servers:
                        progress.step(f"{case.name} on {server.peer.name}, round {number + 1}")
                        yield _measure(case, server, number, ground.tools)


def _start(peer: Peer, mode: Mode, ground: Ground) -> Server:
    folder = ground.tools.folder / f"{peer.name}-{mode}"
    folder.mkdir()
    return Server(peer, Place(folder, ground.tree, ground.pem, free_port(), mode), ground.tools.processors)


def _measure(case: Case, server: Server, number: int, tools: Tools) -> Sample:
    name = server.peer.name
    try:
        result = case.measure(server, tools)
    except (RunFailed, OSError) as error:
        # OSError: a process that was looked at has gone.
        return Sample(case.name, name, number, problem=str(error))
    return Sample(case.name, name, number, result.values, detail=result.detail)
