from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.bench.errors import SetupError
from loadtests.bench.peers import CHECKOUT
from loadtests.compare import namespace

# Says its namespace, its loopback, and what it was called with.
SCRIPT = """
import os, subprocess, sys
from loadtests.compare import namespace
namespace.inside() or namespace.enter()
namespace.set_mtu(int(sys.argv[1]))
print(os.readlink("/proc/self/ns/net"), sys.argv[1:])
print(subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout, end="")
"""


def test_the_program_runs_again_in_a_network_of_its_own() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, "1500", "a word"], capture_output=True, text=True, check=False, cwd=CHECKOUT
    )
    assert ended.returncode == 0, ended.stderr
    first, *links = ended.stdout.splitlines()
    own, _, arguments = first.partition(" ")
    assert own != str(Path("/proc/self/ns/net").readlink())
    assert arguments == "['1500', 'a word']"
    assert any("lo:" in link and "mtu 1500" in link and "UP" in link for link in links)


def test_who_came_from_another_network_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not namespace.inside()
    monkeypatch.setenv("KTLSSERVE_COMPARE_CAME_FROM", "net:[1]")
    assert namespace.inside()
    monkeypatch.setenv("KTLSSERVE_COMPARE_CAME_FROM", str(Path("/proc/self/ns/net").readlink()))
    assert not namespace.inside()


def test_a_mtu_that_the_kernel_refuses_is_said() -> None:
    # Refused before anything changes: this is the test's own network.
    with pytest.raises(SetupError, match="the loopback's MTU can't be -1"):
        namespace.set_mtu(-1)


def test_without_the_programs_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="apt-get install util-linux"):
        namespace.enter()
