"""How apt is called: by a program of its name that writes down its arguments."""

import itertools
from pathlib import Path

import pytest

from tests.vm import private_apt
from tests.vm.errors import PackagesError
from tests.vm.private_apt import PrivateApt, attempt, machine_targets

UNFETCHED = "Created-By: Packages\nRepo-URI: https://mirror.invalid/debian/\n"
FETCHED = UNFETCHED + "Origin: Debian\nLabel: Debian\nCodename: bookworm\n"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_apt, "_PAUSES_S", (0.0, 0.0))


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the arguments of each call, a line each; apt-get does what the file `behaviour` says."""
    written = tmp_path / "calls"
    for name in ("apt-get", "apt-cache"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> {written}\n. {tmp_path}/behaviour\n', encoding="utf-8")
        program.chmod(0o755)
    (tmp_path / "behaviour").touch()
    monkeypatch.setattr(private_apt, "_ENVIRONMENT", {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return written


def options_of(call: str) -> dict[str, str]:
    words = call.split()
    pairs = [word.partition("=") for before, word in itertools.pairwise(words) if before == "-o"]
    return {key: value for key, _, value in pairs}


def test_what_fails_twice_is_done_a_third_time() -> None:
    outcomes = [PackagesError("first"), PackagesError("second"), None]

    def action() -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    attempt(action)
    assert outcomes == []


def test_what_fails_three_times_is_said_loudly() -> None:
    outcomes = [PackagesError(number) for number in ("first", "second", "third", "fourth")]

    def action() -> None:
        raise outcomes.pop(0)

    with pytest.raises(PackagesError, match="third"):
        attempt(action)
    assert len(outcomes) == 1


def test_everything_that_is_fetched_stays_in_the_own_folder(calls: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    PrivateApt(own, "deb uri suite main\n", isolated=True).update()
    (call,) = calls.read_text(encoding="utf-8").splitlines()
    options = options_of(call)
    assert options["Dir::State::lists"] == f"{own}/lists"
    assert options["Dir::Cache"] == f"{own}/cache"
    assert options["Dir::Etc::sourceparts"] == "/dev/null"
    assert Path(options["Dir::Etc::sourcelist"]).read_text(encoding="ascii") == "deb uri suite main\n"
    assert Path(options["Dir::State::status"]).read_bytes() == b""


def test_installing_regards_what_is_installed_and_how_old_the_lists_are(calls: Path, tmp_path: Path) -> None:
    PrivateApt(tmp_path / "own", "", isolated=False).install(["kmod", "file"])
    (call,) = calls.read_text(encoding="utf-8").splitlines()
    assert call.endswith("install kmod file")
    assert options_of(call).keys().isdisjoint({"Dir::State::status", "Acquire::Check-Valid-Until"})


def test_a_failure_shows_what_apt_said(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "behaviour").write_text("echo E: no network >&2; exit 100", encoding="utf-8")
    with pytest.raises(PackagesError, match=r"apt-get update -qq failed with status 100:\nE: no network"):
        PrivateApt(tmp_path / "own", "", isolated=True).update()
    assert len(calls.read_text(encoding="utf-8").splitlines()) == 3


def test_the_machines_own_lists_are_enough_where_there_are_any(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "behaviour").write_text(f"printf '{FETCHED}'", encoding="utf-8")
    (target,) = machine_targets(tmp_path / "scratch")
    assert target.uri == "https://mirror.invalid/debian/"
    assert calls.read_text(encoding="utf-8") == "apt-get indextargets\n"


def test_on_a_machine_without_lists_copies_are_fetched_aside(calls: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    behaviour = f"case \"$*\" in *{scratch}/lists*) printf '{FETCHED}';; *) printf '{UNFETCHED}';; esac"
    (tmp_path / "behaviour").write_text(behaviour, encoding="utf-8")
    (target,) = machine_targets(scratch)
    assert target.codename == "bookworm"
    bare, update, again = calls.read_text(encoding="utf-8").splitlines()
    assert bare == "apt-get indextargets"
    assert "update" in update.split()
    assert {options_of(call)["Dir::State::lists"] for call in (update, again)} == {f"{scratch}/lists"}
