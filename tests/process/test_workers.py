"""Processes that die: workers are replaced, and end by themselves when there is nobody left to replace them."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.downloads import HELLO, begin_download, make_download_root, require_whole
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import Wire, dialer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


def test_a_worker_that_was_killed_is_replaced(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="userspace", workers=2) as server:
        dial = dialer(server)
        before = set(server.worker_pids())
        wires = [dial() for _ in range(8)]
        for wire in wires:
            assert wire.get("/hello.txt").body == HELLO
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        server.wait_for_log(rf"worker {victim} ended: killed by SIGKILL; it is replaced after 0 s")
        wait_until(lambda: len(server.worker_pids()) == 2, "the successor")
        assert victim not in server.worker_pids()
        # Nobody is left waiting in a dead worker's queue, and the other worker's clients noticed nothing.
        for _ in range(8):
            with dial() as wire:
                assert wire.get("/hello.txt").body == HELLO
        fates = Counter(fate(wire) for wire in wires)
        assert fates.keys() <= {"served", "lost"}
        held = re.findall(r" worker-\d\[(\d+)\] .* tls=userspace$", server.log(), re.MULTILINE)[:8]
        assert fates["lost"] == held.count(str(victim))


def fate(wire: Wire) -> str:
    """Tell what becomes of a request on a connection that was there before."""
    with wire:
        try:
            return "served" if wire.get("/hello.txt").body == HELLO else "wrong"
        except (OSError, ValueError):
            return "lost"


def test_workers_that_die_again_and_again_are_replaced_more_slowly(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off") as server:
        for pause in ("0", "0.1", "0.2"):
            (victim,) = server.worker_pids()
            os.kill(victim, signal.SIGKILL)
            server.wait_for_log(rf"worker {victim} ended: killed by SIGKILL; it is replaced after {pause} s$")
            wait_until(lambda gone=victim: server.worker_pids() not in ([], [gone]), "the successor")  # type: ignore[misc]
        with dialer(server)() as wire:
            assert wire.get("/hello.txt").body == HELLO


def test_without_their_supervisor_workers_finish_and_end(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="userspace", workers=2) as server:
        workers = server.worker_pids()
        with begin_download(server) as download, dialer(server)() as idle:
            assert idle.get("/hello.txt").body == HELLO
            os.kill(server.pid, signal.SIGKILL)
            server.process.wait()
            assert idle.read_to_end() == b""
            assert idle.end is idle.orderly
            require_whole(download)
        wait_until(lambda: not any(map(processes.runs, workers)), "the end of the workers")
        server.require_no_bug()


def test_a_signal_to_a_worker_alone_does_nothing(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=1) as server:
        (worker,) = server.worker_pids()
        with dialer(server)() as wire:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(worker, number)
                assert wire.get("/hello.txt").body == HELLO
        assert server.worker_pids() == [worker]


def test_workers_hold_nothing_of_each_other(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="userspace", workers=3) as server:
        held = [Counter(kind(link) for link in processes.descriptors(pid).values()) for pid in server.worker_pids()]
        assert held[0] == held[1] == held[2]
        # A listener and the end of the one control connection.
        assert held[0]["socket"] == 2


def kind(link: str) -> str:
    return link.partition(":")[0] if ":[" in link or link.startswith("anon_inode:") else "file"
