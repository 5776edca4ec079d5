from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from ktlsserve.arguments import Parser
from ktlsserve.compress.options import add_work_options, folder, number, require_folder
from ktlsserve.errors import UsageError


def test_what_commands_have_in_common() -> None:
    parser = Parser(prog="x")
    add_work_options(parser.add_argument_group("options"), done="looked at")
    assert vars(parser.parse([])) == {"prune": False, "check": False, "jobs": None}
    assert vars(parser.parse(["--prune", "--check", "--jobs", "3"])) == {"prune": True, "check": True, "jobs": 3}
    assert "files looked at at the same time" in " ".join(parser.format_help().split())


def test_numbers_have_bounds() -> None:
    assert [number(1, 3)(text) for text in ("1", "3")] == [1, 3]
    for text in ("0", "4", "-1", "one", ""):
        with pytest.raises(argparse.ArgumentTypeError, match="whole number from 1 to 3"):
            number(1, 3)(text)


def test_a_folder_must_be_there(tmp_path: Path) -> None:
    require_folder(folder(str(tmp_path)))
    (tmp_path / "file").touch()
    for name, message in (("file", "not a folder"), ("nowhere", "no such folder")):
        with pytest.raises(UsageError, match=message):
            require_folder(tmp_path / name)
    with pytest.raises(argparse.ArgumentTypeError, match="is empty"):
        folder("")
