"""Each command that a page shows is run here, or by the test that accepted.toml names, or has a reason there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.documents import PAGES, Shown, commands, is_as_shown, page, transcript
from tests.support.programs import find_program
from tests.support.server import CHECKOUT, Server

DEADLINE_S = 60
ACCEPTED = tomllib.loads((Path(__file__).parent / "accepted.toml").read_text(encoding="utf-8"))
ACCEPTED_PAGES = {entry["name"]: entry for entry in ACCEPTED["page"] if (CHECKOUT / entry["name"]).exists()}
ACCEPTED_COMMANDS = {entry["text"]: entry for entry in ACCEPTED["command"]}

SHOWN = {name: commands(page(name)) for name in PAGES if commands(page(name))}
HERE = [
    command
    for name, found in SHOWN.items()
    if name not in ACCEPTED_PAGES
    for command in found
    if command not in ACCEPTED_COMMANDS
]
OWN = sorted({command for command in HERE if command.startswith("ktlsserve ")})
CURL = sorted({command for command in HERE if command.startswith("curl ")})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("pages"), CHECKOUT / "config" / "site") as running:
        yield running


def curl(command: str, server: Server) -> str:
    """Run a curl command against ``server`` and return what it prints."""
    words = command.replace("~/.local/state/ktlsserve/self-signed.pem", str(server.ca_file))
    words = words.replace("//localhost:8443", f"//localhost:{server.port}")
    arguments = [find_program("curl"), "--silent", "--show-error", *shlex.split(words)[1:]]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_command_is_run_or_has_a_reason() -> None:
    assert sorted(set(HERE)) == sorted({*OWN, *CURL})
    assert "make serve" in SHOWN["README.md"]
    assert "make test" in SHOWN["README.md"]


def test_what_is_accepted_is_shown() -> None:
    assert not ACCEPTED_PAGES.keys() - SHOWN.keys()
    shown = {command for name, found in SHOWN.items() if name not in ACCEPTED_PAGES for command in found}
    assert not ACCEPTED_COMMANDS.keys() - shown
    assert len(ACCEPTED_COMMANDS) == len(ACCEPTED["command"])


@pytest.mark.parametrize(
    "entry", [*ACCEPTED_PAGES.values(), *ACCEPTED["command"]], ids=lambda entry: entry.get("text", entry.get("name"))
)
def test_the_test_or_the_reason_is_there(entry: dict[str, str]) -> None:
    assert len({"run", "reason"} & entry.keys()) == 1
    if "run" in entry:
        file, _, function = entry["run"].partition("::")
        text = (CHECKOUT / file).read_text(encoding="utf-8")
        assert not function or f"def {function}(" in text
    else:
        for path in re.findall(r"tests/[\w/.]+", entry["reason"]):
            assert (CHECKOUT / path).exists(), path


@pytest.mark.slow
@pytest.mark.parametrize("command", OWN)
def test_the_programs_own_commands_run(command: str) -> None:
    arguments = [sys.executable, "-m", *shlex.split(command)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=DEADLINE_S, check=False, cwd=CHECKOUT)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", CURL)
def test_clients_get_something(command: str, server: Server) -> None:
    assert curl(command, server)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shown",
    [shown for shown in transcript(page("README.md")) if shown.command.startswith("curl ")],
    ids=lambda shown: shown.command,
)
def test_the_transcript_is_what_a_client_sees(shown: Shown, server: Server) -> None:
    printed = curl(shown.command, server)
    assert is_as_shown(printed, shown.lines), printed
