"""What one client may take of all workers together; what it is refused, others get."""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.bystander import Bystander
from tests.support.downloads import HELLO, make_download_root
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import Dial, End, Wire, dialer

pytestmark = pytest.mark.slow

GREEDY = "127.0.0.2"
WORKERS = 3
# So few that a client which has all that it may have with all workers has some with each.
A_WORKER = 5
ALLOWED = 12


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


def is_served(wire: Wire) -> bool:
    """Ask for a file; False where the connection ended instead."""
    try:
        wire.send(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
        replies = wire.responses(1)
    except ConnectionError:
        return False
    if not replies:
        return False
    assert (replies[0].status, replies[0].body) == (200, HELLO)
    return True


def take_all(dial: Dial, stack: ExitStack) -> list[Wire]:
    """Connect until a connection is refused, and return those that are served."""
    taken: list[Wire] = []
    while True:
        try:
            wire = stack.enter_context(dial())
        except ConnectionError:
            # In the handshake already.
            return taken
        if not is_served(wire):
            assert wire.end in {None, End.RESET}
            return taken
        taken.append(wire)
        assert len(taken) <= ALLOWED


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_connections_are_counted_over_all_workers(tmp_path: Path, root: Path, tls: str) -> None:
    settings = {"limits.connections": A_WORKER, "limits.connections_per_client": ALLOWED}
    with Server(tmp_path / "server", root, tls=tls, workers=WORKERS, settings=settings) as server, ExitStack() as stack:
        dial = dialer(server, source=GREEDY)
        bystander = stack.enter_context(Bystander(server))
        idle = server.sockets()
        taken = take_all(dial, stack)
        assert len(taken) == ALLOWED
        # More in vain, while another address is served each time.
        for _ in range(20):
            assert take_all(dial, stack) == []
            bystander.require_service(1)
        server.wait_for_log(f"{GREEDY}: connection refused: the client has {ALLOWED}")
        assert all(is_served(wire) for wire in taken)
        for wire in taken[:4]:
            wire.close()
        wait_until(lambda: server.sockets() == idle + ALLOWED - 4, "the end of four connections")
        assert len(take_all(dial, stack)) == 4


def test_one_client_cannot_take_all_places_for_handshakes(tmp_path: Path, root: Path) -> None:
    settings = {"tls.handshakes_in_progress": 20, "limits.connections_per_client": 15}
    with (
        Server(tmp_path / "server", root, tls="userspace", settings=settings) as server,
        Bystander(server) as bystander,
        ExitStack() as stack,
    ):
        for _ in range(20):
            for _ in range(10):
                # One that is refused may be so before it has noticed that it is connected.
                with suppress(ConnectionError):
                    stack.enter_context(Wire(server.address, source=GREEDY))
            bystander.require_service(1)


def test_a_worker_that_dies_gives_its_counts_back(tmp_path: Path, root: Path) -> None:
    settings = {"limits.connections": A_WORKER, "limits.connections_per_client": ALLOWED}
    with (
        Server(tmp_path / "server", root, tls="off", workers=WORKERS, settings=settings) as server,
        ExitStack() as stack,
    ):
        dial = dialer(server, source=GREEDY)
        before = {pid: processes.sockets([pid]) for pid in server.worker_pids()}
        taken = take_all(dial, stack)
        assert len(taken) == ALLOWED
        held = {pid: processes.sockets([pid]) - idle for pid, idle in before.items()}
        assert min(held.values()) >= ALLOWED - (WORKERS - 1) * A_WORKER
        for dead, idle in before.items():
            alive = [wire for wire in taken if is_served(wire)]
            assert len(alive) == ALLOWED
            lost = processes.sockets([dead]) - idle
            mark = server.log_mark()
            os.kill(dead, signal.SIGKILL)
            server.wait_for_log(f"worker {dead} ended", since=mark)
            wait_until(lambda: len(server.worker_pids()) == WORKERS, "the successor")
            taken = [wire for wire in alive if is_served(wire)]
            assert len(taken) == ALLOWED - lost
            again = take_all(dial, stack)
            assert len(again) == lost
            taken += again


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_the_rate_is_that_of_all_workers_together(tmp_path: Path, root: Path, tls: str) -> None:
    burst = 30
    settings = {"limits.connections": 2, "limits.requests_per_second": 1, "limits.requests_burst": burst}
    with Server(tmp_path / "server", root, tls=tls, workers=WORKERS, settings=settings) as server, ExitStack() as stack:
        dial = dialer(server, source=GREEDY)
        began_s = time.monotonic()
        # One place less than there is: that is the other client's.
        wires = [stack.enter_context(dial()) for _ in range(2 * WORKERS - 1)]
        replies = [wire.get("/hello.txt") for _ in range(20) for wire in wires]
        passed_s = time.monotonic() - began_s
        served = sum(reply.status == 200 for reply in replies)
        assert burst <= served <= burst + passed_s + 1
        refused = [reply for reply in replies if reply.status != 200]
        assert refused
        for reply in refused:
            assert (reply.status, reply.values(b"Retry-After"), reply.values(b"Connection")) == (429, [b"1"], [])
        with dialer(server)() as other:
            assert other.get("/hello.txt").body == HELLO


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_a_connection_ends_with_its_last_request(tmp_path: Path, root: Path, tls: str) -> None:
    settings = {"limits.requests_per_connection": 5}
    with Server(tmp_path / "server", root, tls=tls, settings=settings) as server:
        for _ in range(3):
            with dialer(server)() as wire:
                replies = [wire.get("/hello.txt") for _ in range(5)]
                assert [reply.body for reply in replies] == [HELLO] * 5
                assert [reply.values(b"Connection") for reply in replies] == [[], [], [], [], [b"close"]]
                assert wire.read_to_end() == b""
                assert wire.end is wire.orderly


def test_limits_come_and_go_with_a_reload(tmp_path: Path, root: Path) -> None:
    with (
        Server(tmp_path / "server", root, tls="off", settings={"limits.connections_per_client": 3}) as server,
        ExitStack() as stack,
    ):
        dial = dialer(server, source=GREEDY)
        assert len(take_all(dial, stack)) == 3
        server.configure({"limits.connections_per_client": 6})
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("serve with the new configuration")
        # The connections to workers that leave are theirs.
        assert len(take_all(dial, stack)) == 6
