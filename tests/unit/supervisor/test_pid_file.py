from __future__ import annotations

import os
from pathlib import Path

import pytest

from ktlsserve.supervisor.pid_file import PidFile


def test_it_names_this_process_and_goes_with_it(tmp_path: Path) -> None:
    file = PidFile()
    file.write(tmp_path / "pid")
    assert (tmp_path / "pid").read_text() == f"{os.getpid()}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]
    file.remove()
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_it_moves_with_the_configuration(tmp_path: Path) -> None:
    file = PidFile()
    for name in ("old", "new", "new"):
        file.write(tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == [name]
    file.write("off")
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_successor_stays(tmp_path: Path) -> None:
    file = PidFile()
    file.write(tmp_path / "pid")
    (tmp_path / "pid").write_text("1\n")
    file.remove()
    assert (tmp_path / "pid").read_text() == "1\n"


def test_none_that_can_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = PidFile()
    file.write(tmp_path / "missing" / "pid")
    assert "pid can't be written: No such file or directory" in caplog.text
    file.remove()
