"""What the supervisor does about workers that hang or never boot, where it puts them, and what it tells whom."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.downloads import HELLO, make_download_root
from tests.support.server import Server
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import dialer

pytestmark = pytest.mark.slow

HUNG = r"worker (\d+) hasn't answered for 1 s and is killed"

# A server whose workers sleep on a request for /hang, for ever and deaf.
SLEEPY = """
import sys, time
from ktlsserve.worker import requests
answer = requests.parse_head

def fall_asleep_for_good(head, limits):
    if b"/hang" in head:
        while True:
            time.sleep(3600)
    return answer(head, limits)

requests.parse_head = fall_asleep_for_good
from ktlsserve.cli import main
sys.exit(main())
"""

# A server whose workers can't boot while a file exists.
CAPRICIOUS = """
import os, sys
from ktlsserve.errors import StartupError
from ktlsserve.supervisor import generation, replacing
flag, *sys.argv[1:] = sys.argv[1:]
replacing.LONGEST_PAUSE_S = 0.05

class Capricious(generation.Worker):
    def __init__(self, *arguments):
        if os.path.exists(flag):
            raise StartupError("no boots")
        super().__init__(*arguments)

generation.Worker = Capricious
from ktlsserve.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


def hello(server: Server) -> bytes:
    with dialer(server)() as wire:
        return wire.get("/hello.txt", "Connection: close").body


# Workers that hang.


def test_a_hung_worker_tells_where_and_is_replaced(tmp_path: Path, root: Path) -> None:
    settings = {"server.hang_s": 1.0}
    with Server(tmp_path / "server", root, tls="off", settings=settings, program=("-c", SLEEPY)) as server:
        (victim,) = server.worker_pids()
        with dialer(server)() as wire:
            wire.send(b"GET /hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert int(server.wait_for_log(HUNG)[1]) == victim
            server.wait_for_log(f"worker {victim} ended: killed by SIGKILL; it is replaced after 0 s")
            assert wire.read_to_end() == b""
        assert hello(server) == HELLO
        assert "in fall_asleep_for_good" in server.log()


def test_a_stopped_worker_is_replaced_and_the_queue_is_served(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", settings={"server.hang_s": 1.0}) as server:
        (victim,) = server.worker_pids()
        os.kill(victim, signal.SIGSTOP)
        # In the kernel's queue, with nobody to take it: not lost.
        assert hello(server) == HELLO
        assert int(server.wait_for_log(HUNG)[1]) == victim
        assert victim not in server.worker_pids()


def test_idle_and_busy_workers_do_not_hang(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=2, settings={"server.hang_s": 0.4}) as server:
        workers = server.worker_pids()
        with dialer(server)() as wire:
            for _ in range(1000):
                assert wire.get("/hello.txt").body == HELLO
        # Longer than it takes for one that hangs, told by one that does.
        os.kill(workers[0], signal.SIGSTOP)
        for victim in workers[:1]:
            server.wait_for_log(f"worker {victim} hasn't answered for 0.4 s")
        assert f"worker {workers[1]} hasn't" not in server.log()
        assert workers[1] in server.worker_pids()


def test_a_stopped_server_does_not_take_its_workers_for_hung(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=2, settings={"server.hang_s": 0.4}) as server:
        everybody = [server.pid, *server.worker_pids()]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: all(map(processes.is_stopped, everybody)), "all have stopped")
        before = processes.cpu_ns(server.pid)
        # Time passes, as the kernel's clock tells; nobody in the server sees it pass.
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            nobody.listen()
            nobody.settimeout(1.0)
            with pytest.raises(TimeoutError):
                nobody.accept()
        assert processes.cpu_ns(server.pid) == before
        for pid in reversed(everybody):
            os.kill(pid, signal.SIGCONT)
        assert [hello(server) for _ in range(4)] == [HELLO] * 4
        server.send_signal(signal.SIGUSR1)
        server.wait_for_log("the access log is reopened")
        assert "hasn't answered" not in server.log()
        assert [server.pid, *server.worker_pids()] == everybody


# Workers that never boot.


def test_it_gives_up_where_no_worker_comes_to_serve(tmp_path: Path, root: Path) -> None:
    flag = tmp_path / "flag"
    with Server(tmp_path / "server", root, tls="off", program=("-c", CAPRICIOUS, str(flag))) as server:
        (worker,) = server.worker_pids()
        flag.touch()
        os.kill(worker, signal.SIGKILL)
        server.wait(1)
        assert "the server gives up: no worker has come to serve in 10 attempts" in server.log()
        assert len(re.findall("worker can't start: no boots", server.log())) == 10


def test_it_goes_on_while_one_worker_serves(tmp_path: Path, root: Path) -> None:
    flag = tmp_path / "flag"
    with Server(tmp_path / "server", root, tls="off", workers=2, program=("-c", CAPRICIOUS, str(flag))) as server:
        survivor, victim = server.worker_pids()
        flag.touch()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: server.log().count("no boots") > 12, "many attempts")
        assert survivor in server.worker_pids()
        assert hello(server) == HELLO
        flag.unlink()
        wait_until(lambda: len(server.worker_pids()) == 2, "the successor")


# Where workers run.


@pytest.mark.parametrize("setting", [True, [max(os.sched_getaffinity(0))]])
def test_workers_stay_on_their_cpus(tmp_path: Path, root: Path, setting: bool | list[int]) -> None:
    usable = sorted(os.sched_getaffinity(0))
    wanted = usable if setting is True else setting
    assert isinstance(wanted, list)
    with Server(tmp_path / "server", root, tls="off", workers=3, settings={"server.cpu_affinity": setting}) as server:
        assert hello(server) == HELLO
        bound = sorted(tuple(os.sched_getaffinity(pid)) for pid in server.worker_pids())
        assert bound == sorted((wanted[number % len(wanted)],) for number in range(3))
        assert os.sched_getaffinity(server.pid) == set(usable)


def test_a_cpu_that_is_not_there_is_told(tmp_path: Path, root: Path) -> None:
    with pytest.raises(AssertionError, match=r"status 3:\n.*server.cpu_affinity: CPU 8191 isn't one"):
        Server(tmp_path / "server", root, tls="off", settings={"server.cpu_affinity": [8191]})


# Logs.


def test_a_rotated_access_log_is_reopened_by_all_workers(tmp_path: Path, root: Path) -> None:
    log, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    with (
        Server(tmp_path / "server", root, tls="off", workers=2, settings={"log.access_log": str(log)}) as server,
        dialer(server)() as wire,
        dialer(server)() as other,
    ):
        for client in (wire, other):
            assert client.get("/hello.txt?before").body == HELLO
        log.rename(rotated)
        server.send_signal(signal.SIGUSR1)
        server.wait_for_log("the access log is reopened")
        wait_until(lambda: all(holds(pid, log) for pid in server.worker_pids()), "the workers have the new file")
        assert not any(holds(pid, rotated) for pid in (server.pid, *server.worker_pids()))
        for client in (wire, other):
            assert client.get("/hello.txt?after").body == HELLO
        # Old workers that only finish are told too.
        log.rename(tmp_path / "access.log.2")
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("2 workers serve with the new configuration")
        server.send_signal(signal.SIGUSR1)
        wait_until(lambda: all(holds(pid, log) for pid in server.worker_pids()), "old and new have the new file")
        # One that is forked later has it from its supervisor.
        os.kill(server.worker_pids()[-1], signal.SIGKILL)
        server.wait_for_log("it is replaced")
        wait_until(lambda: all(holds(pid, log) for pid in server.worker_pids()), "the successor has it")
    lines = {path.name: path.read_text() for path in (rotated, tmp_path / "access.log.2")}
    assert (lines["access.log.1"].count("?before"), lines["access.log.2"].count("?after")) == (2, 2)


def holds(pid: int, path: Path) -> bool:
    return str(path) in processes.descriptors(pid).values()


# What the service manager is told.


def test_the_service_manager_is_told(tmp_path: Path, root: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(LIMIT_S)

        def told(word: str) -> list[str]:
            while True:
                lines = manager.recv(4096).decode().splitlines()
                if word in lines:
                    return lines

        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with Server(tmp_path / "server", root, tls="off", environment=environment) as server:
            assert "STATUS=serving with 1 workers" in told("READY=1")
            told("WATCHDOG=1")
            told("WATCHDOG=1")
            server.send_signal(signal.SIGHUP)
            told("RELOADING=1")
            told("READY=1")
            server.config_file.write_text("[server")
            server.send_signal(signal.SIGHUP)
            told("RELOADING=1")
            assert "STATUS=serving with the old configuration: the new one can't be served" in told("READY=1")
            server.send_signal(signal.SIGTERM)
            told("STOPPING=1")
            server.wait(0)
