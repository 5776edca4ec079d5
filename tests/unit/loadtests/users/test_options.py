from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from loadtests.users.options import DEFAULT_SCENARIO, add_options


class Parser(argparse.ArgumentParser):
    """As Locust's own, which knows which options the web interface shows."""

    def add_argument(self, *names: Any, include_in_web_ui: bool = True, **rest: Any) -> argparse.Action:
        assert names[0] == "-h" or not include_in_web_ui
        return super().add_argument(*names, **rest)


def parse(*arguments: str) -> argparse.Namespace:
    parser = Parser()
    add_options(parser)
    return parser.parse_args(arguments)


def test_defaults() -> None:
    options = parse()
    assert options.scenario == str(DEFAULT_SCENARIO)
    assert options.server_pid == []
    assert (options.manifest, options.results, options.turns, options.shape) == (None, None, None, None)


def test_values_can_be_sent_to_workers(tmp_path: Path) -> None:
    """They go through msgpack, which knows no paths."""
    options = parse(
        "--connect-to", "[::1]:443", "--turns", "3", "--server-pid", "5", "--server-pid", "6",
        "--results", str(tmp_path / "r.json"), "--ca", __file__,
    )  # fmt: skip
    assert options.server_pid == [5, 6]
    assert options.turns == 3
    assert {type(value) for value in vars(options).values()} <= {str, int, list, type(None)}


@pytest.mark.parametrize("option", ["--scenario", "--manifest", "--ca", "--thresholds"])
def test_files_that_cant_be_read_are_told_without_usage(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(option, "/nowhere/x")
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert "/nowhere/x" in told
    assert "can't be read: No such file or directory" in told
    assert "usage" not in told


def test_a_scenario_is_read_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "s.toml"
    file.write_text("seeds = 1\nuser = 2\n")
    with pytest.raises(SystemExit):
        parse("--scenario", str(file))
    told = capsys.readouterr().err
    assert "seeds: unknown key" in told
    assert "user: unknown key" in told
    assert "request: is missing" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("--turns", "0"),
        ("--turns", "x"),
        ("--server-pid", "-1"),
        ("--shape", "cliff"),
        ("--connect-to", "localhost"),
        ("--connect-to", "a b:1"),
        ("--results", "/nowhere/r.json"),
    ],
)
def test_wrong_values(arguments: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)
    assert caught.value.code == 2
