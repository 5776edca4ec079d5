from __future__ import annotations

import pytest

from ktlsserve.admin.health import health, readiness
from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.observe.server_state import Stage, WorkerStage
from tests.support.snapshots import facts, snapshot, state, worker

STARTING = worker(0, WorkerStage.STARTING)
SERVING = worker(1)
HUNG = worker(2, alive=False)
LEAVING = worker(3, WorkerStage.LEAVING)
NOBODY = Snapshot(0.0, facts(), None, 0.0, {}, None, None)


@pytest.mark.parametrize(
    ("taken", "healthy", "ready"),
    [
        (NOBODY, 503, 503),
        (snapshot(server=state(Stage.STARTING, STARTING)), 503, 503),
        (snapshot(server=state(Stage.STARTING, SERVING, STARTING)), 200, 503),
        (snapshot(server=state(Stage.READY, SERVING)), 200, 200),
        (snapshot(server=state(Stage.READY, SERVING, HUNG)), 200, 200),
        (snapshot(server=state(Stage.READY, HUNG)), 503, 503),
        (snapshot(server=state(Stage.READY, STARTING)), 503, 503),
        (snapshot(server=state(Stage.READY, STARTING, LEAVING)), 200, 503),
        (snapshot(server=state(Stage.STOPPING, LEAVING)), 200, 404),
        (snapshot(server=state(Stage.READY, SERVING), silence_s=9.0), 200, 200),
        (snapshot(server=state(Stage.READY, SERVING), silence_s=11.0), 503, 503),
        (snapshot(server=state(Stage.STOPPING, LEAVING), silence_s=11.0), 503, 404),
    ],
    ids=[
        "no word yet", "starting", "half started", "ready", "one hangs", "all hang", "all died", "others leave",
        "stopping", "a busy machine", "no supervisor", "no supervisor any more",
    ],
)  # fmt: skip
def test_probes_get_a_status_and_a_word(taken: Snapshot, healthy: int, ready: int) -> None:
    assert (health(taken)[0], readiness(taken)[0]) == (healthy, ready)
    for verdict in (health(taken), readiness(taken)):
        assert verdict[1].endswith(b"\n")
        assert verdict[1].count(b"\n") == 1


def test_the_words_are_those_that_are_documented() -> None:
    assert readiness(snapshot()) == (200, b"ready\n")
    assert health(snapshot()) == (200, b"ok\n")
    assert readiness(snapshot(server=state(Stage.STOPPING, LEAVING))) == (404, b"stopping\n")
