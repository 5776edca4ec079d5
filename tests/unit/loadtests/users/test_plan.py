from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from loadtests.users.errors import LoadTestError
from loadtests.users.manifest import Asset, write_manifest
from loadtests.users.plan import make_plan
from loadtests.users.thresholds import Thresholds

REQUEST = '[[request]]\nname = "a"\npaths = "/*"\n'
FILE = '[[file]]\npath = "/a"\nbytes = 3\n'


def options(tmp_path: Path, text: str, **others: object) -> argparse.Namespace:
    scenario = tmp_path / "s.toml"
    scenario.write_text(text)
    given = {
        "scenario": str(scenario),
        "manifest": None,
        "shape": None,
        "turns": None,
        "ca": None,
        "connect_to": None,
        "thresholds": None,
    }
    return argparse.Namespace(**(given | others))


def test_the_right_answers_are_those_of_the_scenarios_own_files(tmp_path: Path) -> None:
    plan = make_plan(options(tmp_path, REQUEST + FILE))
    assert plan.thresholds == Thresholds()
    assert (plan.shape, plan.turns) == ("options", 0)
    assert "BEGIN CERTIFICATE" in plan.ca.read_text()


def test_users_of_different_plans_are_told_apart(tmp_path: Path) -> None:
    manifest = tmp_path / "m.json"
    write_manifest({"/a": Asset(3, "0" * 64)}, manifest)
    fingerprints = [
        make_plan(options(tmp_path, text, manifest=answers)).fingerprint
        for text, answers in (
            (REQUEST + FILE, None),
            (f"# the same\n{REQUEST}{FILE}", None),
            (f"seed = 2\n{REQUEST}{FILE}", None),
            (REQUEST + FILE, str(manifest)),
        )
    ]
    assert fingerprints[0] == fingerprints[1]
    assert len(set(fingerprints)) == 3


def test_somebody_must_know_the_right_answers(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match="--manifest must say"):
        make_plan(options(tmp_path, REQUEST))


def test_the_option_goes_before_the_scenarios_shape(tmp_path: Path) -> None:
    text = f'{REQUEST}{FILE}[load]\nshape = "spike"\n'
    assert make_plan(options(tmp_path, text)).shape == "spike"
    assert make_plan(options(tmp_path, text, shape="ramp")).shape == "ramp"
    assert make_plan(options(tmp_path, text, shape="options", turns=3)).turns == 3
    with pytest.raises(LoadTestError, match='with the shape "spike"'):
        make_plan(options(tmp_path, text, turns=3))
