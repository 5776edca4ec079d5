"""What a run is to do, from its options: read once in each process, before the first user."""

from __future__ import annotations

import argparse
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import certifi

from loadtests.users.contents import manifest_of_scenario
from loadtests.users.errors import LoadTestError
from loadtests.users.manifest import read_manifest
from loadtests.users.mix import Mix
from loadtests.users.scenario import Scenario, load_scenario
from loadtests.users.thresholds import Thresholds, load_thresholds


@dataclass(frozen=True, slots=True)
class Plan:
    """Scenario, right answers, and limits; ``turns`` 0 is no limit.

    ``fingerprint`` is the same in two processes if their users do the same and expect the same answers.
    """

    scenario: Scenario
    mix: Mix
    fingerprint: str
    shape: str
    turns: int
    ca: Path
    connect_to: str
    thresholds: Thresholds


def make_plan(options: argparse.Namespace) -> Plan:
    """Read what the options name; raises LoadTestError or ConfigError."""
    scenario = load_scenario(Path(options.scenario))
    if options.manifest:
        manifest = read_manifest(Path(options.manifest))
    elif scenario.file:
        manifest = manifest_of_scenario(scenario)
    else:
        raise LoadTestError(f"{options.scenario} names no files (file): --manifest must say what the right answers are")
    shape = options.shape or scenario.load.shape
    turns = options.turns or 0
    if turns and shape != "options":
        raise LoadTestError(
            f'--turns ends the run when all users have done theirs; with the shape "{shape}" the shape does'
        )
    known = json.dumps([asdict(scenario), {path: asdict(manifest[path]) for path in sorted(manifest)}])
    return Plan(
        scenario,
        Mix(scenario, manifest),
        hashlib.sha256(known.encode()).hexdigest(),
        shape,
        turns,
        Path(options.ca or certifi.where()),
        options.connect_to or "",
        load_thresholds(Path(options.thresholds)) if options.thresholds else Thresholds(),
    )
