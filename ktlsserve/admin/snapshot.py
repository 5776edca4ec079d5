"""All that the admin endpoint tells, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ktlsserve.admin.facts import Facts
from ktlsserve.admin.rates import Rates
from ktlsserve.observe.counters import Labels
from ktlsserve.observe.server_state import ServerState, Stage, WorkerStage

# The supervisor writes twice a second at least; a busy machine may keep it from that for a while.
_SUPERVISOR_SILENCE_S = 10.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What workers have counted, what the supervisor says, and what the kernel counts.

    ``when_s`` is the time in seconds since the epoch; ``silence_s`` how long ago ``state`` was written. ``counts`` are
    sums over all workers since the start, by family and labels (``observe.counters``). ``kernel`` is
    ``/proc/net/tls_stat``, None where there is none. ``rates`` is None until there was time to see any.
    """

    when_s: float
    facts: Facts
    state: ServerState | None
    silence_s: float
    counts: Mapping[str, Mapping[Labels, int]]
    kernel: Mapping[str, int] | None
    rates: Rates | None

    @property
    def stage(self) -> Stage:
        """Where the server is in its life."""
        return Stage.STARTING if self.state is None else self.state.stage

    @property
    def supervised(self) -> bool:
        """Whether the supervisor has been heard of lately."""
        return self.state is not None and self.silence_s < _SUPERVISOR_SILENCE_S

    @property
    def working(self) -> int:
        """How many workers are alive and do their work, be it the last of it."""
        workers = self.state.workers if self.state is not None else ()
        return sum(worker.alive and worker.stage is not WorkerStage.STARTING for worker in workers)

    @property
    def serving(self) -> int:
        """How many workers serve, and will go on."""
        workers = self.state.workers if self.state is not None else ()
        return sum(worker.alive and worker.stage is WorkerStage.SERVING for worker in workers)

    def total(self, family: str) -> int:
        """Return the sum of a family."""
        return sum(self.counts.get(family, {}).values())

    def family(self, name: str) -> Mapping[Labels, int]:
        """Return the counts of a family by labels."""
        return self.counts.get(name, {})

    @property
    def requests(self) -> dict[Labels, int]:
        """Replies by (site, status), remembered or not."""
        sums = dict(self.family("requests_worked_out"))
        for labels, count in self.family("requests_remembered").items():
            sums[labels] = sums.get(labels, 0) + count
        return sums
