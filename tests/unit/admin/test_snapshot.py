from __future__ import annotations

from ktlsserve.admin.snapshot import Snapshot
from ktlsserve.observe.server_state import Stage, WorkerStage
from tests.support.snapshots import facts, snapshot, state, worker


def test_requests_are_those_worked_out_and_those_remembered() -> None:
    taken = snapshot(
        {
            "requests_worked_out": {("a.example", "200"): 2, ("a.example", "404"): 1},
            "requests_remembered": {("a.example", "200"): 5},
        }
    )
    assert {labels: count for labels, count in taken.requests.items() if count} == {
        ("a.example", "200"): 7,
        ("a.example", "404"): 1,
    }
    assert taken.total("requests_worked_out") == 3


def test_before_anything_was_counted_everything_is_nothing() -> None:
    empty = Snapshot(0.0, facts(), None, 0.0, {}, None, None)
    assert (empty.stage, empty.supervised, empty.working, empty.serving) == (Stage.STARTING, False, 0, 0)
    assert (empty.total("handshakes"), empty.requests, empty.family("connections")) == (0, {}, {})


def test_who_works_and_who_serves() -> None:
    workers = (worker(0), worker(1, WorkerStage.LEAVING), worker(2, WorkerStage.STARTING), worker(3, alive=False))
    taken = snapshot(server=state(Stage.READY, *workers))
    assert (taken.working, taken.serving) == (2, 1)
