from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.fairness.downloads import open_download
from tests.support.server import CHECKOUT, Server


@pytest.mark.slow
@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_downloads_take_what_they_are_given_until_they_are_told(tmp_path: Path, tls: str) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "large.bin").write_bytes(bytes(1 << 20))
    with Server(tmp_path / "server", tmp_path / "root", tls=tls) as server:
        arguments = [str(server.port), "/large.bin", "2", "plain" if tls == "off" else "tls"]
        process = subprocess.Popen(
            [sys.executable, "-m", "loadtests.fairness.downloads", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "downloading\n"
        # Served beside them: so they have been, too.
        with open_download(server.port, "/large.bin", tls=tls != "off") as sock:
            assert sock.recv(1 << 16, socket.MSG_WAITALL)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate()
        assert int(output) > 0
