import os
import subprocess
from pathlib import Path

import pytest

from tests.vm.slots import free_slot


@pytest.fixture(autouse=True)
def _two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 5})


def test_there_are_as_many_slots_as_processors(tmp_path: Path) -> None:
    first, second = free_slot(tmp_path), free_slot(tmp_path)
    assert first is not None
    assert second is not None
    with first, second:
        assert free_slot(tmp_path) is None
    third = free_slot(tmp_path)
    assert third is not None
    third.close()


def test_a_slot_is_taken_until_the_processes_that_hold_it_end(tmp_path: Path) -> None:
    slot, other = free_slot(tmp_path), free_slot(tmp_path)
    assert slot is not None
    assert other is not None
    with other:
        with slot, subprocess.Popen(["sleep", "60"], pass_fds=[slot.fileno()]) as holder:
            slot.close()
            assert free_slot(tmp_path) is None
            holder.kill()
        again = free_slot(tmp_path)
        assert again is not None
        again.close()
