"""What the system refuses or takes back in mid-flight: processes, disk space, pipes, the time, files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.support.downloads import HELLO, make_download_root
from tests.support.server import Server, toml_document
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import Wire, dialer

pytestmark = pytest.mark.slow

# A server to which the kernel gives no process while a file exists. (RLIMIT_NPROC is no limit for root.)
FORKLESS = """
import errno, os, sys
from ktlsserve.supervisor import replacing
flag, *sys.argv[1:] = sys.argv[1:]
replacing.LONGEST_PAUSE_S = 0.2
fork = os.fork

def refuse_or_fork():
    if os.path.exists(flag):
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return fork()

os.fork = refuse_or_fork
from ktlsserve.cli import main
sys.exit(main())
"""
# A server whose clock shows what a file adds to the time.
CLOCK = """
import sys, time
offset, *sys.argv[1:] = sys.argv[1:]
real = time.time
time.time = lambda: real() + float(open(offset).read())
from ktlsserve.cli import main
sys.exit(main())
"""

DAY_S = 24 * 3600


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


def hello(server: Server) -> bytes:
    with dialer(server)() as wire:
        return wire.get("/hello.txt", "Connection: close").body


# Processes.


def test_no_process_to_be_had_at_the_start(tmp_path: Path, root: Path) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    with pytest.raises(AssertionError, match=r"status 3:\n(?s:.*)can't fork workers: Resource temporarily unavailable"):
        Server(tmp_path / "server", root, tls="off", program=("-c", FORKLESS, str(flag)))


def test_no_process_to_be_had_later(tmp_path: Path, root: Path) -> None:
    flag = tmp_path / "flag"
    with Server(tmp_path / "server", root, tls="off", workers=2, program=("-c", FORKLESS, str(flag))) as server:
        workers = server.worker_pids()
        flag.touch()
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("reload failed, the old configuration stays: can't fork workers")
        assert server.worker_pids() == workers
        os.kill(workers[0], signal.SIGKILL)
        wait_until(lambda: server.log().count("can't fork a worker: Resource temp") >= 3, "attempts")
        assert hello(server) == HELLO
        flag.unlink()
        wait_until(lambda: len(server.worker_pids()) == 2, "the successor")
        assert hello(server) == HELLO


# Logs.


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path, root: Path) -> None:
    settings = {"log.access_log": "/dev/full"}
    with Server(tmp_path / "server", root, tls="off", settings=settings) as server:
        assert hello(server) == HELLO
        server.wait_for_log("access log /dev/full: No space left on device")
        for number in (signal.SIGUSR1, signal.SIGHUP):
            server.send_signal(number)
        server.wait_for_log("workers serve with the new configuration")
        assert hello(server) == HELLO


def test_a_pipe_that_nobody_reads_costs_lines_and_nothing_else(tmp_path: Path, root: Path) -> None:
    config, log = tmp_path / "server.toml", tmp_path / "stderr"
    settings: dict[str, object] = {
        "server.root": str(root),
        "server.listen": ["127.0.0.1:0"],
        "tls.mode": "off",
        "log.access_log": "-",
    }
    config.write_text(toml_document(settings))
    command = [sys.executable, "-m", "ktlsserve", "serve", "--config", str(config)]
    with log.open("wb") as stderr:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.DEVNULL)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split(b" tls=")[0].rpartition(b":")[2])
        server.stdout.close()
        with Wire(("127.0.0.1", port)) as wire:
            assert wire.get("/hello.txt").body == HELLO
            wait_until(lambda: "access log -: Broken pipe" in log.read_text(), "the warning")
            assert wire.get("/hello.txt").body == HELLO
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(LIMIT_S) == 0
    assert "Traceback" not in log.read_text()


# Time.


def test_a_clock_that_jumps_ends_nothing(tmp_path: Path, root: Path) -> None:
    offset = tmp_path / "offset"
    offset.write_text("0")
    draft = tmp_path / "draft"
    # Not confined: the clock of this test is a file.
    settings = {"server.hang_s": 0.4, "log.access_log": str(tmp_path / "access.log"), "server.confine": "off"}
    with Server(
        tmp_path / "server", root, tls="userspace", program=("-c", CLOCK, str(offset)), settings=settings
    ) as server:
        workers = server.worker_pids()
        with dialer(server)() as kept, dialer(server)() as fresh:
            dates = set()
            for jump_s in (0, DAY_S, -DAY_S, 10_000 * DAY_S, 0):
                draft.write_text(str(jump_s))
                draft.replace(offset)
                response = kept.get("/hello.txt")
                assert response.body == HELLO
                (date,) = response.values(b"Date")
                dates.add(date[:16])
            # It is told what the clock says, and no deadline hangs on it: neither idle nor head nor hang.
            assert len(dates) == 4
            assert fresh.get("/hello.txt").body == HELLO
        assert server.worker_pids() == workers
        assert "timeout" not in server.log()
        assert "hasn't answered" not in server.log()


# Files.


def test_files_that_come_and_go_at_any_moment(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "folder").mkdir(parents=True)
    over = threading.Event()

    def come_and_go() -> None:
        while not over.is_set():
            for name in ("a.txt", "folder/b.txt", "folder/index.html"):
                (root / name).write_bytes(HELLO)
            for name in ("a.txt", "folder/b.txt", "folder/index.html"):
                (root / name).unlink()

    settings = {"defaults.listing": True, "defaults.precompressed": ["gzip"], "files.cache_s": 0.001}
    with Server(tmp_path / "server", root, tls="off", settings=settings) as server, dialer(server)() as wire:
        churning = threading.Thread(target=come_and_go)
        churning.start()
        try:
            for _ in range(100):
                for path in ("/a.txt", "/folder/", "/folder/b.txt"):
                    response = wire.get(path)
                    assert response.status in ({200} if path == "/folder/" else {200, 404})
                    if path != "/folder/" and response.status == 200:
                        assert response.body in (HELLO, b"")
        finally:
            over.set()
            churning.join(LIMIT_S)
        server.require_no_bug()
