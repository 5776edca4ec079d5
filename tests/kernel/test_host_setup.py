"""What config/ has for the host, on a kernel that may be changed: a guest's."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ktlsserve.doctor import examine
from ktlsserve.doctor.check import Status
from ktlsserve.kernel.machine import Machine
from tests.support.downloads import HELLO
from tests.support.host_files import modules_to_load, sysctls
from tests.support.programs import find_program
from tests.support.server import Server
from tests.support.waiting import LIMIT_S
from tests.support.wire import dialer

pytestmark = pytest.mark.skipif(
    "KTLSSERVE_GUEST_RELEASE" not in os.environ, reason="not in a guest: changes the kernel"
)


def test_the_kernel_takes_the_settings_and_the_doctor_agrees() -> None:
    for key, value in sysctls().items():
        path = Path("/proc/sys", *key.split("."))
        path.write_text(value)
        assert path.read_text().split() == value.split(), key
    checks = {check.id: check.status for check in examine(Machine()).checks}
    for check_id in ("network.notsent_lowat", "network.somaxconn", "limits.inotify"):
        assert checks[check_id] is Status.OK


@pytest.mark.parametrize("module", modules_to_load())
def test_the_kernel_has_the_module_by_that_name(module: str) -> None:
    assert (Path("/sys/module") / module).is_dir()


def test_ss_shows_who_encrypts(tmp_path: Path) -> None:
    find_program("ip")
    root = tmp_path / "root"
    root.mkdir()
    (root / "hello.txt").write_bytes(HELLO)
    with Server(tmp_path / "server", root, tls="kernel") as server, dialer(server)() as wire:
        assert wire.get("/hello.txt").status == 200
        command = ["ss", "-tin", f"sport = :{server.port}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=LIMIT_S)
    assert re.search(r"tcp-ulp-tls .*version: 1\.3 .*txconf: sw", done.stdout), done.stdout
