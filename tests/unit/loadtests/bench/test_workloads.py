from __future__ import annotations

from pathlib import Path

import pytest

from loadtests.bench import workloads
from loadtests.bench.errors import SetupError
from loadtests.bench.selecting import choose_cases
from loadtests.bench.workloads import Mode, Workload, every_workload, make_tree, quick_workloads, usual_workloads


def test_names_are_unique_and_the_smaller_choices_lie_in_the_greater() -> None:
    names = [workload.name for workload in every_workload()]
    assert len(set(names)) == len(names) == 3 * 5 * 2 * 2 * 2
    assert {workload.name for workload in [*usual_workloads(), *quick_workloads()]} <= set(names)


def test_the_usual_ones_change_one_thing_at_a_time() -> None:
    names = {workload.name for workload in usual_workloads()}
    assert {"plain/64MiB/same/keep-alive/16", "plain/1KiB/unique/keep-alive/16", "plain/1KiB/same/close/16"} <= names
    assert not names & {"plain/1MiB/unique/keep-alive/16", "plain/1KiB/unique/close/16"}


def test_the_tree_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "SIZES", {"1KiB": 1024, "10KiB": 10240})
    for name in ("a", "b"):
        make_tree(tmp_path / name)
    path = Workload(Mode.PLAIN, "10KiB").path.lstrip("/")
    contents = (tmp_path / "a" / path).read_bytes()
    assert len(contents) == 10240
    assert contents == (tmp_path / "b" / path).read_bytes()


def test_cases_are_chosen_by_parts_of_their_names() -> None:
    chosen = choose_cases(["plain/*/256", "handshakes"], quick=False, every=False)
    names = {case.name for case in chosen}
    assert {"plain/64MiB/unique/close/256", "userspace/handshakes", "kernel/handshakes"} <= names
    assert all(name.endswith(("/256", "/handshakes")) for name in names)


def test_a_quick_choice_stays_quick() -> None:
    quick = choose_cases([], quick=True, every=False)
    usual = choose_cases([], quick=False, every=False)
    every = choose_cases([], quick=False, every=True)
    assert len(quick) < len(usual) < len(every)
    assert len(choose_cases(["10KiB"], quick=True, every=False)) < len(quick)


def test_parts_that_name_nothing_are_said() -> None:
    with pytest.raises(SetupError, match="no case has 11KiB or quic"):
        choose_cases(["11KiB", "quic"], quick=False, every=False)
