from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.syscalls import libc, namespace
from tests.support.server import CHECKOUT


def refuse(_flags: int) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_without_permission_the_machine_s_own_loopback_is_used_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libc, "unshare", refuse)
    mtu = Path("/sys/class/net/lo/mtu").read_text().strip()
    assert namespace.enter().startswith(f"this machine's loopback, MTU {mtu} (no namespace of its own: Operation not ")


@pytest.mark.slow
def test_a_namespace_of_its_own_has_the_mtu_of_ethernet() -> None:
    # In a process of its own: this one stays where it is.
    code = "from loadtests.syscalls import namespace; print(namespace.enter())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT).stdout
    if "no namespace" in said:
        pytest.skip(f"looked for permission to make a network namespace: {said}")
    assert said == "loopback in a namespace of its own, MTU 1500\n"
