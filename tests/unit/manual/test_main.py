from __future__ import annotations

from pathlib import Path

import pytest

from manual import __main__ as program
from tests.support.server import CHECKOUT


@pytest.mark.parametrize("path", program.made())
def test_the_file_is_what_is_made_now(path: str) -> None:
    # python -m manual writes it.
    assert (CHECKOUT / path).read_text(encoding="utf-8") == program.made()[path]


def test_nothing_else_is_there_for_a_system() -> None:
    files = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "share").rglob("*") if path.is_file()}
    assert files == {path for path in program.made() if path.startswith("share/")}


def test_all_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "CHECKOUT", tmp_path)
    program.main()
    assert {path: (tmp_path / path).read_text(encoding="utf-8") for path in program.made()} == program.made()
