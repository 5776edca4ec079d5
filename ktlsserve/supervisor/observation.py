"""What the supervisor's generations of workers look like to others."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from ktlsserve.observe.server_state import ServerState, Stage, WorkerStage, WorkerState
from ktlsserve.supervisor.generation import Generation, WorkerProcess


class Observation:
    """Follows generations from ``begin`` to their end; ``started_s`` is when the server was started (epoch)."""

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._numbers: dict[Generation, int] = {}
        # Monotonic times of start to those of the clock, as they were then.
        self._clock_offset_s = time.time() - time.monotonic()
        self._begun = 0
        self._promoted = 0
        self._wanted = 0
        self._coming: Generation | None = None
        self._serving: Generation | None = None
        # How many workers each generation has had: those beyond the first ones replaced others.
        self._places: dict[Generation, int] = {}
        self._seen: dict[Generation, set[tuple[int, float]]] = {}
        self._past_restarts = 0

    def begin(self, generation: Generation) -> None:
        """Follow a generation that was just forked."""
        self._begun += 1
        self._numbers[generation] = self._begun
        self._places[generation] = generation.wanted
        self._seen[generation] = set()
        self._coming = generation

    def promote(self) -> None:
        """Note that the generation that began last serves now."""
        self._serving, self._coming = self._coming, None
        self._promoted += 1
        self._wanted = self._serving.wanted if self._serving is not None else 0

    def look(self, generations: Sequence[Generation], *, stopping: bool) -> ServerState:
        """Return the state of the server, whose generations are ``generations``."""
        for gone in [generation for generation in self._numbers if generation not in generations]:
            self._past_restarts += self._restarts(gone)
            del self._numbers[gone], self._places[gone], self._seen[gone]
        for generation, seen in self._seen.items():
            seen.update((worker.pid, worker.started_s) for worker in generation.workers.values())
        stage = Stage.STARTING if self._serving is None else Stage.READY
        return ServerState(
            stage=Stage.STOPPING if stopping else stage,
            pid=os.getpid(),
            started_s=self._started_s,
            generation=self._promoted,
            wanted=0 if stopping else self._wanted,
            restarts=self._past_restarts + sum(map(self._restarts, self._numbers)),
            workers=tuple(
                self._worker(generation, worker)
                for generation in self._numbers
                for worker in sorted(generation.workers.values(), key=lambda worker: worker.number)
            ),
        )

    def _restarts(self, generation: Generation) -> int:
        return max(0, len(self._seen[generation]) - self._places[generation])

    def _worker(self, generation: Generation, worker: WorkerProcess) -> WorkerState:
        if not generation.wanted:
            stage = WorkerStage.LEAVING
        else:
            stage = WorkerStage.SERVING if worker.ready else WorkerStage.STARTING
        return WorkerState(
            pid=worker.pid,
            number=worker.number,
            generation=self._numbers[generation],
            started_s=worker.started_s + self._clock_offset_s,
            stage=stage,
            alive=worker.kill_s is None,
        )
