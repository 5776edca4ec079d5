from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ktlsserve import cli
from ktlsserve.arguments import serve_parser
from ktlsserve.config import file as config_file
from manual.asking import Understood, setting_of, understood, variable_of


def action(option: str) -> argparse.Action:
    return next(one for one in serve_parser()._actions if option in one.option_strings)


@pytest.mark.parametrize(
    ("option", "key"),
    [
        ("--listen", "server.listen"),
        ("--tls", "tls.mode"),
        ("--cert", "tls.certificates"),
        ("--key", "tls.certificates"),
        ("--access-log", "log.access_log"),
        ("--config", ""),
        ("--help", ""),
    ],
)
def test_an_option_has_its_setting(option: str, key: str) -> None:
    assert setting_of(action(option)) == key


def test_what_is_refused_is_nothing() -> None:
    assert understood(["--cert", "a"], {}) is None
    assert understood(["--config", "a.toml"], {}) == Understood(Path("a.toml"), {})


def test_a_server_is_never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.RUN, "serve", lambda _: 0)
    with pytest.raises(AssertionError):
        understood([], {})


def program(reads: Callable[[Mapping[str, str]], dict[str, Any]]) -> Callable[[Sequence[str]], int]:
    """Return a program that knows ``--workers``, and of its environment what ``reads`` makes of it."""

    def run(arguments: Sequence[str]) -> int:
        import os  # noqa: PLC0415 - as the program does: what it is when it runs

        said = reads(os.environ) | ({"server.workers": 1} if "--workers" in arguments else {})
        config_file.load_config(None, said)
        return 0

    return run


def test_a_variable_is_found_by_what_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        cli.RUN,
        "serve",
        program(
            lambda environ: (
                {"server.workers": int(environ["KTLSSERVE_WORKERS"])} if "KTLSSERVE_WORKERS" in environ else {}
            )
        ),
    )
    assert variable_of(action("--workers")) == "KTLSSERVE_WORKERS"
    assert variable_of(action("--version")) == ""
    monkeypatch.setitem(cli.RUN, "serve", program(lambda _: {}))
    assert variable_of(action("--workers")) == ""
