"""SIGUSR2: another program takes over the same sockets, or fails and leaves everything as it was."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.downloads import HELLO, begin_download, make_download_root, require_whole
from tests.support.server import Server
from tests.support.upgrades import Upgrades
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import dialer

pytestmark = pytest.mark.slow

GOES_ON = "upgrade failed, this program goes on"

# A program that, started as a successor, does what a file says.
CAPRICIOUS = """
import os, sys, time
flag, *sys.argv[1:] = sys.argv[1:]
if os.environ.get("KTLSSERVE_UPGRADE") and os.path.exists(flag):
    sys.exit(7)
from ktlsserve.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(params=["off", "userspace"])
def tls(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def hello(server: Server) -> bytes:
    with dialer(server)() as wire:
        return wire.get("/hello.txt", "Connection: close").body


def test_a_successor_takes_over_the_sockets(tmp_path: Path, root: Path, tls: str) -> None:
    pid_file = tmp_path / "pid"
    settings = {"server.pid_file": str(pid_file)}
    with Server(tmp_path / "server", root, tls=tls, workers=2, settings=settings) as server, Upgrades(server) as line:
        assert pid_file.read_text() == f"{server.pid}\n"
        old_workers = server.worker_pids()
        with begin_download(server) as download:
            successor = line.upgrade()
            assert pid_file.read_text() == f"{successor}\n"
            # Port 0 was asked for: that it is the same one shows that it is the same socket.
            first, second = server.listening()
            assert first == second
            assert [hello(server) for _ in range(4)] == [HELLO] * 4
            assert not set(processes.children(successor)) & set(old_workers)
            # What was begun is finished, by the old one.
            assert server.process.poll() is None
            require_whole(download)
        server.wait(0)
        # The successor is as good as the first: it reloads, and is succeeded.
        mark = server.log_mark()
        os.kill(successor, signal.SIGHUP)
        server.wait_for_log("workers serve with the new configuration", since=mark)
        assert hello(server) == HELLO
        line.upgrade()
        wait_until(lambda: not processes.runs(successor), "the end of the first successor")
        assert hello(server) == HELLO
        line.stop()
        assert not pid_file.exists()


def test_a_kept_connection_may_ask_once_more(tmp_path: Path, root: Path, tls: str) -> None:
    with Server(tmp_path / "server", root, tls=tls) as server, Upgrades(server) as line:
        with dialer(server)() as wire:
            assert wire.get("/hello.txt").body == HELLO
            line.upgrade()
            last = wire.get("/hello.txt")
            assert (last.body, last.values(b"Connection")) == (HELLO, [b"close"])
            assert wire.read_to_end() == b""
            assert wire.end is wire.orderly
        server.wait(0)


def test_what_does_not_start_leaves_the_old_one_serving(tmp_path: Path, root: Path) -> None:
    flag = tmp_path / "flag"
    program = ("-c", CAPRICIOUS, str(flag))
    with Server(tmp_path / "server", root, tls="off", workers=2, program=program) as server, Upgrades(server) as line:
        workers = server.worker_pids()
        held = processes.descriptors(server.pid)
        text = server.config_file.read_text()

        def fails(reason: str) -> None:
            mark = server.log_mark()
            server.send_signal(signal.SIGUSR2)
            server.wait_for_log(f"{GOES_ON}: {reason}", since=mark)
            assert server.worker_pids() == workers
            assert processes.descriptors(server.pid) == held
            assert hello(server) == HELLO

        flag.touch()
        fails("the new program ended: exit status 7; its own messages say why")
        flag.unlink()
        server.config_file.write_text(text.replace("[tls]", "[tsl]"))
        fails("the new program ended: exit status 2; its own messages say why")
        assert "tsl: unknown key" in server.log()
        server.config_file.write_text(text.replace(str(root), f"{root}/nothing"))
        fails("the new program ended: exit status 2; its own messages say why")
        server.config_file.write_text(text)
        line.upgrade()
        server.wait(0)
        assert hello(server) == HELLO


def test_the_service_manager_is_told_who_goes_on(tmp_path: Path, root: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_S)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with Server(tmp_path / "server", root, tls="off", environment=environment) as server, Upgrades(server) as line:
            assert "READY=1" in manager.recv(4096).decode().splitlines()
            successor = line.upgrade()
            server.wait(0)
            told = [manager.recv(4096).decode().splitlines() for _ in range(2)]
            assert all("READY=1" in lines for lines in told)
            # By the old one, whom the manager believes.
            assert f"MAINPID={successor}" in [line for lines in told for line in lines]
            line.stop()
            assert "STOPPING=1" in manager.recv(4096).decode().splitlines()


def test_one_at_a_time(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off") as server, Upgrades(server) as line:
        server.send_signal(signal.SIGUSR2)
        server.wait_for_log("upgrading: process")
        server.send_signal(signal.SIGUSR2)
        server.wait_for_log("SIGUSR2: not now")
        line.pid = int(server.wait_for_log(r"process (\d+) serves; this one drains")[1])
        server.wait(0)
        assert hello(server) == HELLO


def test_a_stop_takes_a_successor_that_only_starts_with_it(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off") as server:
        server.send_signal(signal.SIGUSR2)
        successor = int(server.wait_for_log(r"upgrading: process (\d+) starts")[1])
        server.stop()
        wait_until(lambda: not processes.runs(successor), "the end of the successor")


def test_a_new_address_is_bound_and_an_old_one_given_up(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", listen=["127.0.0.1:0", "127.0.0.2:0"]) as server:
        _, second = server.listening()
        server.configure({"server.listen": ["127.0.0.2:0", "127.0.0.3:0"]})
        with Upgrades(server) as line:
            line.upgrade()
            server.wait(0)
            assert [item.host for item in server.listening()[2:]] == ["127.0.0.2", "127.0.0.3"]
            assert server.listening()[2] == second
            with dialer(server, listener=3)() as wire:
                assert wire.get("/hello.txt").body == HELLO
            with pytest.raises(ConnectionRefusedError):
                dialer(server)().close()
