from __future__ import annotations

import os
from pathlib import Path

import pytest

from ktlsserve.doctor import confinement_trial
from ktlsserve.doctor.confinement_trial import try_confinement
from ktlsserve.kernel.landlock import confined_by, landlock_abi
from ktlsserve.kernel.privileges import CAP_DAC_READ_SEARCH, is_dumpable


def test_the_child_finds_out_what_this_kernel_confines() -> None:
    trial = try_confinement()
    assert trial.landlock_abi == landlock_abi()
    assert set(confined_by(landlock_abi())) <= set(trial.refused)
    assert (trial.new_privileges, trial.dumpable, trial.warnings) == (False, False, ())
    assert trial.capabilities in (0, 1 << CAP_DAC_READ_SEARCH)


def test_this_process_stays_as_it_was() -> None:
    before = Path.cwd(), is_dumpable()
    try_confinement()
    assert (Path.cwd(), is_dumpable()) == before


def test_without_landlock_an_open_isnt_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confinement_trial, "landlock_abi", lambda: 0)
    trial = try_confinement()
    assert trial.landlock_abi == 0
    assert "files" not in trial.refused


def test_a_child_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def end() -> int:
        os._exit(1)

    monkeypatch.setattr(confinement_trial, "landlock_abi", end)
    with pytest.raises(RuntimeError, match="the child that confines itself has failed"):
        try_confinement()
