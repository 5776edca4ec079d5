from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.programs import find_program
from tests.vm import system_packages


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place where programs are looked for, by somebody who may miss some."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(system_packages, "_SYSTEM_PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("KTLSSERVE_REQUIRE_KTLS", raising=False)
    return tmp_path


def test_a_program_is_found(programs: Path) -> None:
    program = programs / "strace"
    program.touch(0o755)
    assert find_program("strace") == str(program)


def test_a_test_without_its_program_is_skipped_with_what_was_looked_for(programs: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match=r"the program chromedriver .* apt-get install chromium-driver"):
        find_program("chromedriver")


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("KTLSSERVE_REQUIRE_KTLS", "1")])
def test_where_nothing_may_be_missing_it_fails(
    programs: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(pytest.fail.Exception, match="the program strace"):
        find_program("strace")


def test_a_program_that_is_never_installed_is_a_mistake(programs: Path) -> None:
    with pytest.raises(AssertionError, match="names no package for ls"):
        find_program("ls")
