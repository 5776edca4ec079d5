"""The wheel in an environment that has nothing else of the project."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import ktlsserve
from tests.packaging.conftest import Built, run
from tests.support.documents import commands, page
from tests.support.programs import find_program
from tests.support.server import CHECKOUT, Server

pytestmark = pytest.mark.slow

# As of a user who has set nothing: no path into the checkout.
ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="session")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the wheel in it; what it needs of others is lent by the environment of the tests.

    A .pth file lends it: those of the borrowed folder aren't read in turn, so that the checkout isn't found.
    """
    prefix = tmp_path_factory.mktemp("installed") / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", prefix)
    python = prefix / "bin" / "python"
    options = ("--quiet", "--no-index", "--no-deps")
    run(sys.executable, "-m", "pip", "--python", python, "install", *options, built.wheel)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    return prefix


def program(installed: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [str(installed / "bin" / "ktlsserve"), *arguments]
    return subprocess.run(command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, check=False)


def test_it_runs_from_there_and_not_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    code = "import ktlsserve; print(ktlsserve.__file__)"
    assert run(installed / "bin" / "python", "-c", code, cwd=tmp_path, env=ENVIRONMENT).startswith(str(installed))
    for arguments in (("--help",), ("--version",), ("serve", "--help"), ("compress", "--help")):
        done = program(installed, *arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert "ktlsserve" in done.stdout
    assert program(installed, "--version", cwd=tmp_path).stdout == f"ktlsserve {ktlsserve.__version__}\n"


def test_the_doctor_runs_from_there(installed: Path, tmp_path: Path) -> None:
    done = program(installed, "doctor", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["checks"]


def test_it_serves_from_there(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(installed / "bin" / "python"))
    monkeypatch.setattr(Server, "forks", None)
    monkeypatch.chdir(tmp_path)
    with Server(tmp_path, CHECKOUT / "config" / "site", environment={"PYTHONPATH": ""}) as server:
        assert f"{installed}/bin/python" in Path(f"/proc/{server.process.pid}/cmdline").read_text()
        url = f"https://localhost:{server.port}/robots.txt"
        text = run(find_program("curl"), "--silent", "--fail", "--cacert", server.ca_file, url)
        assert text == (CHECKOUT / "config" / "site" / "robots.txt").read_text(encoding="utf-8")


def test_what_shells_look_for_is_where_they_look(installed: Path, tmp_path: Path) -> None:
    text = page("docs/operations.md").replace("/opt/ktlsserve", str(installed))
    (man,) = [command for command in commands(text) if command.startswith("man ")]
    shown = run(*shlex.split(man), env={**ENVIRONMENT, "PAGER": "cat", "MANPAGER": "cat"})
    assert "listen" in re.sub(".\b", "", shown)
    (source,) = [command for command in commands(text) if command.startswith("source ")]
    assert "-F _ktlsserve ktlsserve" in run(find_program("bash"), "--norc", "-c", f"{source}; complete -p ktlsserve")
    for path in ("zsh/site-functions/_ktlsserve", "fish/vendor_completions.d/ktlsserve.fish"):
        assert (installed / "share" / path).is_file()
