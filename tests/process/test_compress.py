"""Compressing beforehand as a user starts it: interrupted, finished, and served."""

from __future__ import annotations

import gzip
import http.client
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-m", "ktlsserve", "compress")
# Not so regular that it is over at once: about a second of brotli's time for each file.
TEXT = b"".join(b"%d squared is %d, and cubed %d\n" % (n, n * n, n * n * n) for n in range(8000))


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    root.mkdir()
    for number in range(6):
        (root / f"{number}.txt").write_bytes(b"%d\n" % number + TEXT)
    return root


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_whole_files_only(site: Path, number: signal.Signals) -> None:
    process = subprocess.Popen([*COMMAND, str(site), "--jobs", "2"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    # Under way as soon as a file is being written.
    wait_until(lambda: len(os.listdir(site)) > 6, "a file being made")  # noqa: PTH208  (any name will do)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output, errors) == (1, b"", b"")
    made = [path for path in site.iterdir() if path.suffix != ".txt"]
    assert {path.suffix for path in made} <= {".br", ".zst", ".gz"}
    assert len(made) < 18
    for path in made:
        assert path.stat().st_mtime_ns == path.with_suffix("").stat().st_mtime_ns
        if path.suffix == ".gz":
            assert gzip.decompress(path.read_bytes()) == path.with_suffix("").read_bytes()


def test_what_it_makes_is_what_the_server_sends(site: Path, tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, str(site)], capture_output=True, check=True)
    assert done.stdout.startswith(b"18 made (")
    assert done.stderr == b""
    checked = subprocess.run([*COMMAND, str(site), "--check"], capture_output=True, check=True)
    assert checked.stdout == b"0 to make, 18 up to date\n"
    settings: dict[str, object] = {"defaults.precompressed": ["br", "zstd", "gzip"]}
    with Server(tmp_path / "server", site, tls="off", settings=settings) as server:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=60)
        for coding, suffix in (("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz")):
            connection.request("GET", "/3.txt", headers={"Accept-Encoding": coding})
            reply = connection.getresponse()
            assert reply.getheader("Content-Encoding") == coding
            assert reply.getheader("Content-Type") == "text/plain; charset=utf-8"
            assert reply.read() == (site / f"3.txt{suffix}").read_bytes()
        connection.close()


def test_what_is_missing_is_said() -> None:
    done = subprocess.run([*COMMAND, "/nonexistent"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "ktlsserve: error: no such folder: /nonexistent\n")
