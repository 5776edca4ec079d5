"""The program as a user starts it: exit status, and what it says where."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ktlsserve import __version__

pytestmark = pytest.mark.slow

DEADLINE_S = 60
COMMAND = [sys.executable, "-m", "ktlsserve"]
REPOSITORY = Path(__file__).parents[2]


def ktlsserve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def test_version() -> None:
    done = ktlsserve("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ktlsserve {__version__}\n", "")


def test_help() -> None:
    done = ktlsserve("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ktlsserve [serve] ROOT [options]\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which folder?"),
        (["/nonexistent/folder"], "no such folder: /nonexistent/folder"),
        ([".", "--tsl", "off"], "unknown option: --tsl; did you mean --tls?"),
        ([".", "--workers", "0"], "argument --workers: must be"),
        ([".", "--listen", "localhost"], "argument --listen: 'localhost' must end in a port"),
        ([".", "--tls", "kernl"], "argument --tls: invalid choice: 'kernl'"),
        ([".", "--cert", "x.pem"], "each certificate has its key: --cert was given 1, --key was given 0"),
        (["check", "/nonexistent.toml"], "/nonexistent.toml: file: can't be read"),
    ],
)
def test_wrong_arguments(arguments: list[str], message: str) -> None:
    done = ktlsserve(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"ktlsserve: error: {message}")
    assert "Traceback" not in done.stderr


def test_a_wrong_configuration_shows_all_problems(tmp_path: Path) -> None:
    span = "must be a number of seconds above 0 and up to 86400"
    file = tmp_path / "site.toml"
    file.write_text('[server]\nroot = "."\nlistne = []\n[timeouts]\nidle_s = 0\n[tls]\nmode = 3\n')
    for arguments in (["check", str(file)], ["serve", "--config", str(file)]):
        done = ktlsserve(*arguments)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.splitlines() == [
            f"ktlsserve: error: {file}: server.listne: unknown key; did you mean listen? (line 3)",
            f'ktlsserve: error: {file}: tls.mode: must be "auto", "kernel", "userspace" or "off", not 3 (line 7)',
            f"ktlsserve: error: {file}: timeouts.idle_s: {span}, not 0 (line 5)",
        ]


def test_the_shipped_defaults_are_a_valid_file() -> None:
    file = str(REPOSITORY / "config" / "default.toml")
    done = ktlsserve("check", file)
    assert (done.returncode, done.stdout) == (0, f"{file}: ok\n")


def test_an_unreadable_key_is_a_failure_to_start(tmp_path: Path) -> None:
    done = ktlsserve(
        str(tmp_path), "--cert", f"{tmp_path}/a.pem", "--key", f"{tmp_path}/a.key", "--listen", "127.0.0.1:0"
    )
    assert done.returncode == 3
    assert f"ktlsserve: error: {tmp_path}/a.pem: can't be read: No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_reports_in_json() -> None:
    done = ktlsserve("doctor", "--json")
    assert done.returncode == 0
    assert isinstance(json.loads(done.stdout), dict)


@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--json"]])
def test_a_reader_that_has_seen_enough_is_no_error(arguments: list[str]) -> None:
    # Unbuffered, argparse itself swallows the error of --help.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        done = subprocess.run(
            [*COMMAND, *arguments],
            stdout=write_end,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=DEADLINE_S,
            check=False,
        )
    finally:
        os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


def test_without_standard_output_it_still_ends_well() -> None:
    script = f"exec {sys.executable} -m ktlsserve check config/default.toml >&-"
    done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=DEADLINE_S, check=False, cwd=REPOSITORY)
    assert (done.returncode, done.stderr) == (0, b"")
