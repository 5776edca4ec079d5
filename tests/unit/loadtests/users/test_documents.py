"""docs/load-testing.md: every option and every key is in its tables, with the default that it has."""

from __future__ import annotations

import argparse
import re
from typing import Any

import pytest

from ktlsserve.config.table import settings
from loadtests.users.options import SCENARIOS, add_options
from loadtests.users.scenario import Files, Load, Request, Scenario, Users

TEXT = (SCENARIOS.parents[1] / "docs" / "load-testing.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


class Parser(argparse.ArgumentParser):
    """As Locust's own, which knows which options the web interface shows."""

    def add_argument(self, *names: Any, include_in_web_ui: bool = True, **rest: Any) -> argparse.Action:
        return super().add_argument(*names, **rest)


def test_options() -> None:
    parser = Parser(add_help=False)
    add_options(parser)
    documented = re.findall(r"^\| `(--[a-z-]+)", section("Options"), re.MULTILINE)
    assert documented == [name for action in parser._actions for name in action.option_strings]


def test_scenarios() -> None:
    named = set(re.findall(r"`(\w+)`", section("Scenarios").partition("\n| Table")[0])) - {"scenarios"}
    assert named >= {file.stem for file in SCENARIOS.glob("*.toml")}


@pytest.mark.parametrize("shape", [Files, Request, Users, Load])
def test_keys(shape: type[Any]) -> None:
    table = section("Scenarios").partition("| Table")[2]
    assert not [key for key in settings(shape) if f"`{key}`" not in table]


def test_every_documented_key_exists() -> None:
    table = section("Scenarios").partition("| Table")[2].partition("\n\n")[0]
    keys = {key for line in table.splitlines()[2:] for key in re.findall(r"`(\w+)`", line.split("|")[2])}
    assert keys == {"seed"} | {key for shape in (Files, Request, Users, Load) for key in settings(shape)}
    assert settings(Scenario).keys() == {"request", "file", "seed", "users", "load"}


def test_defaults() -> None:
    """Where the table has a number for one key, it is that of the code."""
    found = 0
    for line in section("Scenarios").splitlines():
        match = re.match(r"\| (?:`\S+`)? ?\| `(\w+)` \| ([\d.]+) \|", line)
        if match is not None:
            (default,) = [
                settings(shape)[match[1]].default
                for shape in (Scenario, Files, Request, Users, Load)
                if match[1] in settings(shape)
            ]
            assert (default[0] if isinstance(default, tuple) else default) == float(match[2]), line
            found += 1
    assert found >= 8
