"""The environment configures the program, at its start and whenever it reads its configuration again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.server import CHECKOUT, Server
from tests.support.upgrades import Upgrades
from tests.support.waiting import LIMIT_S

pytestmark = pytest.mark.slow


def test_reload_and_upgrade_keep_the_precedence(tmp_path: Path) -> None:
    """Plain HTTP by the command line, two workers by the environment, and the file says otherwise of both."""
    environment = {"KTLSSERVE_WORKERS": "2", "KTLSSERVE_TLS": "userspace"}
    arguments = ["--tls", "off"]
    folder = tmp_path / "server"
    with (
        Server(folder, tmp_path, tls="auto", workers=1, arguments=arguments, environment=environment) as server,
        Upgrades(server) as line,
    ):
        assert len(server.worker_pids()) == 2
        assert server.listening()[0].tls == "off"
        server.configure({"server.workers": 3, "log.format": "json"})
        mark = server.log_mark()
        server.send_signal(signal.SIGHUP)
        # The file is read again, for what nobody else says.
        server.wait_for_log("2 workers serve with the new configuration", since=mark)
        successor = line.upgrade()
        assert len(processes.children(successor)) == 2
        first, second = server.listening()
        assert (second.tls, second.workers, second.port) == ("off", 2, first.port)
        server.wait(0)


def serve(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ktlsserve", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        cwd=CHECKOUT,
        env={**os.environ, **environment},
    )


def test_a_wrong_variable_is_a_message() -> None:
    done = serve("serve", "config/site", KTLSSERVE_LISTN="127.0.0.1:0", KTLSSERVE_TLS="on")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "ktlsserve: error: environment: KTLSSERVE_LISTN: means nothing here; did you mean KTLSSERVE_LISTEN?\n"
        "ktlsserve: error: environment: KTLSSERVE_TLS: must be auto, kernel, userspace or off, not 'on'\n"
    )


def test_a_folder_that_is_none_names_the_variable(tmp_path: Path) -> None:
    done = serve(KTLSSERVE_ROOT=str(tmp_path / "nothing"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"ktlsserve: error: KTLSSERVE_ROOT: no such folder: {tmp_path}/nothing\n"


def test_other_commands_do_without_it() -> None:
    done = serve("check", "config/default.toml", KTLSSERVE_LISTN="127.0.0.1:0")
    assert (done.returncode, done.stdout) == (0, "config/default.toml: ok\n")
