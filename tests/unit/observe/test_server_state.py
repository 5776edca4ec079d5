from __future__ import annotations

import os
from dataclasses import replace

import pytest

from ktlsserve.observe.server_state import ServerState, Stage, StatePage, WorkerStage, WorkerState

WORKER = WorkerState(pid=12, number=0, generation=1, started_s=1000.5, stage=WorkerStage.SERVING)
STATE = ServerState(
    stage=Stage.READY, pid=10, started_s=1000.0, generation=1, wanted=1, restarts=0, workers=(WORKER,)
)  # fmt: skip


def test_what_is_written_is_read() -> None:
    page = StatePage()
    page.write(STATE, 123.5)
    assert page.read() == (STATE, 123.5)


def test_a_shorter_state_leaves_nothing_of_a_longer_one() -> None:
    page = StatePage()
    page.write(replace(STATE, workers=(WORKER,) * 100), 1.0)
    page.write(replace(STATE, stage=Stage.STOPPING, workers=()), 2.0)
    assert page.read() == (replace(STATE, stage=Stage.STOPPING, workers=()), 2.0)


def test_before_the_first_writing_there_is_nothing() -> None:
    assert StatePage().read() is None


def test_a_child_reads_what_its_parent_writes_later() -> None:
    page = StatePage()
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.read(told, 1)
            status = 0 if page.read() == (STATE, 5.0) else 2
        finally:
            os._exit(status)
    page.write(STATE, 5.0)
    os.write(tell, b"x")
    _, status = os.waitpid(pid, 0)
    os.close(told)
    os.close(tell)
    assert os.waitstatus_to_exitcode(status) == 0


def test_what_is_being_written_is_not_read() -> None:
    page = StatePage()
    page.write(STATE, 1.0)
    page._set_sequence(page._sequence + 1)
    assert page.read() is None


def test_a_writing_in_between_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    page = StatePage()
    page.write(STATE, 1.0)
    later = replace(STATE, restarts=7)
    read_sequence = page._read_sequence
    looks = 0

    def write_after_the_first_look() -> int:
        nonlocal looks
        looks += 1
        found = read_sequence()
        if looks == 1:
            page.write(later, 2.0)
        return found

    monkeypatch.setattr(page, "_read_sequence", write_after_the_first_look)
    assert page.read() == (later, 2.0)


def test_a_thousand_workers_have_room() -> None:
    page = StatePage()
    page.write(replace(STATE, workers=(WORKER,) * 2048), 1.0)
    assert page.read() is not None
    with pytest.raises(ValueError, match="too many"):
        page.write(replace(STATE, workers=(WORKER,) * 20_000), 1.0)
