from __future__ import annotations

from dataclasses import replace

import pytest

from ktlsserve.config import Config, ConfineMode
from ktlsserve.supervisor import run
from ktlsserve.supervisor.run import serve


@pytest.mark.parametrize(
    ("confine", "shut"), [("auto", ["shut", "run"]), ("required", ["shut", "run"]), ("off", ["run"])]
)
def test_the_supervisor_has_the_keys_too_and_lets_nobody_look(
    monkeypatch: pytest.MonkeyPatch, confine: ConfineMode, shut: list[str]
) -> None:
    done = []

    class Supervisor:
        def __init__(self, *_: object) -> None:
            pass

        def run(self) -> int:
            done.append("run")
            return 0

    monkeypatch.setattr(run, "forbid_looking_in", lambda: done.append("shut"))
    monkeypatch.setattr(run, "raise_descriptor_limit", lambda: None)
    monkeypatch.setattr(run, "Supervisor", Supervisor)
    config = Config()
    assert serve(replace(config, server=replace(config.server, confine=confine))) == 0
    assert done == shut
