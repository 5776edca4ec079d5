from __future__ import annotations

import os
from pathlib import Path

import pytest

from manual.commands import commands
from manual.zsh import zsh_completion
from tests.support.programs import find_program
from tests.support.server import CHECKOUT
from tests.support.terminal import PROMPT, Terminal

FUNCTIONS = CHECKOUT / "share" / "zsh" / "site-functions"

pytestmark = pytest.mark.slow


def test_it_completes_in_a_zsh(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "other.toml").touch()
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    with Terminal([find_program("zsh"), "-f", "-i"], environment) as zsh:
        zsh.type(f"PS1='{PROMPT[:-1]} '; unsetopt zle_bracketed_paste prompt_cr prompt_sp; cd {tmp_path}\n")
        zsh.wait_for(rf"\n{PROMPT}")
        zsh.type(f"fpath=({FUNCTIONS} $fpath); autoload -U compinit && compinit -u -D && echo don''e\n")
        zsh.wait_for(rf"\ndone\r?\n.*{PROMPT}")
        zsh.type("ktlsserve doc\t")
        zsh.wait_for("doctor ")
        zsh.type("--js\t")
        zsh.wait_for("--json ")
        zsh.type("\x15ktlsserve --tls=ker\t")
        zsh.wait_for("--tls=kernel ")
        zsh.type("--config ot\t")
        zsh.wait_for(r"--config .*other\.toml ")
        zsh.type("--listen [::]:0 --listen [::1]:0 si\t")
        zsh.wait_for("site/")
        zsh.type("\x15ktlsserve compress si\t")
        zsh.wait_for("site/")


def test_every_command_and_option_is_there() -> None:
    text = zsh_completion(commands())
    for command in commands():
        assert f"'{command.name}:" in text
        for action in command.options:
            assert all(name in text for name in action.option_strings)
