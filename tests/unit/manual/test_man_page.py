from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ktlsserve import __version__
from manual.commands import commands
from manual.man_page import DATE, man_page
from tests.support.programs import find_program
from tests.support.server import CHECKOUT

PAGE = CHECKOUT / "share" / "man" / "man1" / "ktlsserve.1"


def rendered() -> str:
    """Return the page as a terminal shows it, without bold and underlining."""
    environment = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "PAGER": "cat"}
    done = subprocess.run(
        [find_program("man"), "--warnings", "-l", "-Tascii", PAGE],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    return re.sub(".\b", "", done.stdout)


@pytest.mark.slow
def test_groff_has_nothing_to_complain_of() -> None:
    text = rendered()
    assert "ktlsserve - serve a folder of static files over HTTPS" in text
    for command in commands():
        assert f"\n{command.name.upper()}\n" in text
    # Exactly as it is typed.
    assert "--cert example.org.pem --key example.org.key" in text
    assert "don't" in text


@pytest.mark.slow
def test_mandoc_has_nothing_to_complain_of() -> None:
    done = subprocess.run(
        [find_program("mandoc"), "-Tlint", "-Wall", PAGE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_every_option_is_there() -> None:
    text = man_page(commands())
    for command in commands():
        for action in command.options:
            for name in action.option_strings:
                escaped = name.replace("-", r"\-")
                assert rf"\fB{escaped}\fR" in text


def test_it_is_of_this_version_and_dated_by_the_changelog() -> None:
    assert f'.TH KTLSSERVE 1 "{DATE}" "ktlsserve {__version__}"' in man_page(commands())
    changelog = Path(CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## [{__version__}] - {DATE}\n" in changelog


def test_no_line_of_text_is_taken_for_a_request() -> None:
    known = {"TH", "SH", "SS", "TP", "PP", "I", "B", "BR", "br", "nf", "fi", "RS", "RE", '\\"'}
    for line in man_page(commands()).splitlines():
        if line.startswith((".", "'")):
            assert line[1:].split(" ")[0] in known, line
