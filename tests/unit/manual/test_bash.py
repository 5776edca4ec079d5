from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from manual.bash import bash_completion
from manual.commands import commands
from tests.support.programs import find_program
from tests.support.server import CHECKOUT
from tests.support.terminal import PROMPT, Terminal

SCRIPT = CHECKOUT / "share" / "bash-completion" / "completions" / "ktlsserve"

pytestmark = pytest.mark.slow


def completions(words: list[str], folder: Path) -> list[str]:
    """Return what bash would offer for the last of ``words``."""
    lines = (
        f"source {shlex.quote(str(SCRIPT))}",
        f"COMP_WORDS=({' '.join(map(shlex.quote, words))}); COMP_CWORD={len(words) - 1}",
        "_ktlsserve",
        r"""[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}" """,
    )
    done = subprocess.run(
        [find_program("bash"), "--norc", "-c", "\n".join(lines)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a folder").mkdir()
    (tmp_path / "site").mkdir()
    (tmp_path / "a file.toml").touch()
    (tmp_path / "site.toml").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("ktlsserve d", ["doctor"]),
        ("ktlsserve s", ["site", "serve"]),
        ("ktlsserve a", ["a folder"]),
        ("ktlsserve --tls ", ["auto", "kernel", "userspace", "off"]),
        ("ktlsserve --tls k", ["kernel"]),
        ("ktlsserve --tls = k", ["kernel"]),
        ("ktlsserve --tls =", ["auto", "kernel", "userspace", "off"]),
        ("ktlsserve serve --config s", ["site", "site.toml"]),
        ("ktlsserve --log-f", ["--log-format"]),
        ("ktlsserve serve --acc", ["--access-log"]),
        ("ktlsserve site --access-log o", ["off"]),
        ("ktlsserve --listen ", []),
        ("ktlsserve doctor --", ["--json", "--help", "--version"]),
        ("ktlsserve doctor ", []),
        ("ktlsserve check s", ["site", "site.toml"]),
        ("ktlsserve compress s", ["site"]),
        ("ktlsserve compress site --pr", ["--prune"]),
        ("ktlsserve serve doctor", []),
        ("ktlsserve --user roo", ["root"]),
    ],
)
def test_it_offers_what_fits(line: str, offered: list[str], folder: Path) -> None:
    assert sorted(completions(line.split(" "), folder)) == sorted(offered)


def test_it_completes_in_a_bash(folder: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb", "PS1": PROMPT, "LC_ALL": "C.UTF-8"}
    with Terminal([find_program("bash"), "--norc", "--noprofile", "-i"], environment) as bash:
        bash.wait_for(PROMPT)
        bash.type(f"cd {shlex.quote(str(folder))}; source {shlex.quote(str(SCRIPT))}; echo don\\e\n")
        bash.wait_for(f"\ndone\r\n.*{PROMPT}")
        bash.type("ktlsserve --tls=ker\t")
        bash.wait_for(r"--tls=kernel ")
        bash.type("--conf\t")
        bash.wait_for(r"--config ")
        bash.type("a\\ fi\t")
        bash.wait_for(r"a\\ file\.toml ")


def test_every_command_and_option_is_there() -> None:
    text = bash_completion(commands())
    for command in commands():
        for action in command.options:
            assert all(name in text for name in action.option_strings)
