from __future__ import annotations

import os
from typing import cast

import pytest

from ktlsserve.observe.server_state import ServerState, Stage, WorkerStage
from ktlsserve.supervisor.generation import Generation, WorkerProcess
from ktlsserve.supervisor.observation import Observation
from ktlsserve.worker.service import Service


def generation(*pids: int, ready: bool = False) -> Generation:
    """Return a generation of workers that were never forked."""
    made = Generation(cast("Service", None), len(pids))
    for pid in pids:
        join(made, pid, ready=ready)
    return made


def join(made: Generation, pid: int, *, ready: bool = True) -> None:
    taken = {worker.number for worker in made.workers.values()}
    number = next(number for number in range(100) if number not in taken)
    made.workers[pid] = WorkerProcess(pid, number, None, started_s=float(pid), ready=ready)


def stages(state: ServerState) -> list[tuple[int, int, WorkerStage]]:
    return [(worker.generation, worker.pid, worker.stage) for worker in state.workers]


@pytest.fixture
def observation() -> Observation:
    return Observation(1000.0)


def test_a_server_starts_serves_and_stops(observation: Observation) -> None:
    made = generation(1, 2)
    observation.begin(made)
    state = observation.look([made], stopping=False)
    assert (state.stage, state.generation, state.wanted) == (Stage.STARTING, 0, 0)
    assert (state.pid, state.started_s) == (os.getpid(), 1000.0)
    assert stages(state) == [(1, 1, WorkerStage.STARTING), (1, 2, WorkerStage.STARTING)]
    for worker in made.workers.values():
        worker.ready = True
    observation.promote()
    state = observation.look([made], stopping=False)
    assert (state.stage, state.generation, state.wanted) == (Stage.READY, 1, 2)
    assert {stage for _, _, stage in stages(state)} == {WorkerStage.SERVING}
    made.drain()
    state = observation.look([made], stopping=True)
    assert (state.stage, state.wanted) == (Stage.STOPPING, 0)
    assert {stage for _, _, stage in stages(state)} == {WorkerStage.LEAVING}


def test_whoever_comes_after_the_first_has_replaced_another(observation: Observation) -> None:
    made = generation(1, 2, ready=True)
    observation.begin(made)
    observation.promote()
    assert observation.look([made], stopping=False).restarts == 0
    del made.workers[2]
    assert observation.look([made], stopping=False).restarts == 0
    join(made, 3)
    assert observation.look([made], stopping=False).restarts == 1
    del made.workers[1]
    join(made, 4)
    assert observation.look([made], stopping=False).restarts == 2


def test_a_reload_restarts_nobody_and_forgets_nothing(observation: Observation) -> None:
    old = generation(1, ready=True)
    observation.begin(old)
    observation.promote()
    observation.look([old], stopping=False)
    del old.workers[1]
    join(old, 2)
    observation.look([old], stopping=False)
    new = generation(3, 4)
    observation.begin(new)
    state = observation.look([old, new], stopping=False)
    assert (state.stage, state.generation, state.restarts) == (Stage.READY, 1, 1)
    for worker in new.workers.values():
        worker.ready = True
    observation.promote()
    old.retire()
    state = observation.look([old, new], stopping=False)
    assert (state.generation, state.wanted, state.restarts) == (2, 2, 1)
    assert stages(state) == [
        (1, 2, WorkerStage.LEAVING),
        (2, 3, WorkerStage.SERVING),
        (2, 4, WorkerStage.SERVING),
    ]
    state = observation.look([new], stopping=False)
    assert (state.restarts, len(state.workers)) == (1, 2)


def test_a_generation_that_does_not_come_changes_nothing(observation: Observation) -> None:
    serving = generation(1, ready=True)
    observation.begin(serving)
    observation.promote()
    failed = generation(2)
    observation.begin(failed)
    failed.drain()
    state = observation.look([serving, failed], stopping=False)
    assert (state.stage, state.generation, state.restarts) == (Stage.READY, 1, 0)
    coming = generation(5, ready=True)
    observation.begin(coming)
    observation.promote()
    assert observation.look([serving, coming], stopping=False).generation == 2
