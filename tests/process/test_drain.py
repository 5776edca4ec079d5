"""SIGTERM, SIGINT and Ctrl-C: what was begun is finished, what is idle is ended in order, and the program stops."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.downloads import HELLO, begin_download, make_download_root, require_cut, require_whole
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import End, dialer, request

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


@pytest.fixture(params=["off", "userspace"])
def tls(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def terminate(server: Server) -> None:
    server.send_signal(signal.SIGTERM)


def interrupt(server: Server) -> None:
    server.send_signal(signal.SIGINT)


def press_control_c(server: Server) -> None:
    """Send SIGINT to all processes of the server, as a terminal does; the workers get it first."""
    for pid in (*server.worker_pids(), server.pid):
        os.kill(pid, signal.SIGINT)


@pytest.mark.parametrize("stop", [terminate, interrupt, press_control_c])
def test_a_stop_finishes_what_was_begun(tmp_path: Path, root: Path, tls: str, stop: Callable[[Server], None]) -> None:
    with Server(tmp_path / "server", root, tls=tls) as server:
        dial = dialer(server)
        workers = server.worker_pids()
        with begin_download(server) as download, dial() as fresh, dial() as idle, dial() as half:
            for wire in (idle, half):
                assert wire.get("/hello.txt").status == 200
            half.send(request("/hello.txt")[:-2])

            stop(server)

            # From here on the only worker knows.
            assert idle.read_to_end() == b""
            assert idle.end is idle.orderly
            server.wait_for_log("draining for up to 30 s")
            # Requests that were begun, and the first ones of new connections, are answered, and are the last.
            for wire, rest in ((half, b"\r\n"), (fresh, request("/hello.txt"))):
                wire.send(rest)
                (response,) = wire.responses(1)
                assert (response.status, response.body) == (200, HELLO)
                assert response.values(b"Connection") == [b"close"]
                assert wire.read_to_end() == b""
                assert wire.end is wire.orderly
            assert server.process.poll() is None
            # Its client was told that the connection stays, and doesn't end it: the server does.
            require_whole(download)
        server.wait(0)
        assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def test_nobody_is_let_in_to_wait_in_vain(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=2) as server:
        dial = dialer(server)
        with begin_download(server) as download, dial() as idle:
            assert idle.get("/hello.txt").status == 200
            server.send_signal(signal.SIGTERM)
            assert idle.read_to_end() == b""
            wait_until(lambda: refuses(server), "connections are refused")
            require_whole(download)
        server.wait(0)


def refuses(server: Server) -> bool:
    try:
        dialer(server)().close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        # In the queue when the listener was closed, which is the last time that it happens.
        return False
    return False


def test_a_second_signal_ends_it_at_once(tmp_path: Path, root: Path, tls: str) -> None:
    with Server(tmp_path / "server", root, tls=tls, workers=2) as server:
        workers = server.worker_pids()
        with begin_download(server) as download:
            server.send_signal(signal.SIGTERM)
            server.wait_for_log("SIGTERM: draining for up to 30 s")
            server.send_signal(signal.SIGINT)
            server.wait_for_log("SIGINT again: ending at once")
            server.wait(0)
            require_cut(download)
        assert [pid for pid in workers if Path(f"/proc/{pid}").exists()] == []


def test_the_drain_has_an_end(tmp_path: Path, root: Path, tls: str) -> None:
    with Server(tmp_path / "server", root, tls=tls, settings={"server.drain_s": 0.3}) as server:
        with begin_download(server) as download:
            server.send_signal(signal.SIGTERM)
            server.wait(0)
            require_cut(download)
            assert download.end is End.RESET
        server.wait_for_log("1 connections did not end in time and are aborted")


@pytest.mark.parametrize("workers", [1, 4])
def test_a_stop_while_it_starts(tmp_path: Path, root: Path, workers: int) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=workers) as server:
        server.send_signal(signal.SIGHUP)
        # The signals are taken in order; whether the new workers boot before the second or after it is a race.
        wait_until(lambda: len(processes.children(server.pid)) > workers or "configuration" in server.log(), "workers")
        server.stop()


# A pause for a load balancer, which asks where it is told that the server is ready.

PAUSED = {"server.drain_pause_s": 20.0, "server.ready_path": "/readyz"}
READY = (200, b"ready\n")
STOPPING = (404, b"stopping\n")


def readiness(server: Server) -> tuple[int, bytes]:
    with dialer(server)() as wire:
        response = wire.get("/readyz", "Connection: close")
        assert response.values(b"Cache-Control") == [b"no-store"]
        return response.status, response.body


def test_a_pause_in_which_it_goes_on_and_says_that_it_stops(tmp_path: Path, root: Path, tls: str) -> None:
    with Server(tmp_path / "server", root, tls=tls, workers=2, settings=PAUSED) as server:
        dial = dialer(server)
        assert [readiness(server) for _ in range(4)] == [READY] * 4
        with dial() as idle, dial() as checked:
            assert idle.get("/hello.txt").body == HELLO
            assert checked.get("/readyz").status == 200
            server.send_signal(signal.SIGTERM)
            server.wait_for_log("SIGTERM: accepting for 20 s more, draining for up to 30 s")
            wait_until(lambda: {readiness(server) for _ in range(8)} == {STOPPING}, "all workers know")
            # Who was told that the connection stays may ask once more; so may whoever comes, and is told to go.
            for wire in (idle, dial()):
                with wire:
                    last = wire.get("/hello.txt")
                    assert (last.body, last.values(b"Connection")) == (HELLO, [b"close"])
                    assert wire.read_to_end() == b""
                    assert wire.end is wire.orderly
            # What was answered once isn't answered so from memory.
            assert (checked.get("/readyz").status, server.process.poll()) == (404, None)
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("SIGTERM again: ending at once")
        server.wait(0)


def test_after_the_pause_it_ends_with_the_last_connection(tmp_path: Path, root: Path, tls: str) -> None:
    settings = {"server.drain_pause_s": 0.5, "server.ready_path": "/readyz"}
    with Server(tmp_path / "server", root, tls=tls, settings=settings) as server:
        with begin_download(server) as download:
            with dialer(server)() as idle:
                assert idle.get("/hello.txt").body == HELLO
                server.send_signal(signal.SIGTERM)
                # Kept for the pause, and then closed in order.
                assert idle.read_to_end() == b""
                assert idle.end is idle.orderly
            # The listener is there as long as a connection is.
            assert readiness(server) == STOPPING
            require_whole(download)
        server.wait(0)


def test_control_c_takes_no_pause(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", settings=PAUSED) as server:
        server.send_signal(signal.SIGINT)
        server.wait(0)
        server.wait_for_log("SIGINT: draining for up to 30 s")


def test_a_pause_has_the_drains_end(tmp_path: Path, root: Path) -> None:
    settings = {"server.drain_s": 1.5, "server.drain_pause_s": 0.5}
    with Server(tmp_path / "server", root, tls="off", settings=settings) as server:
        with begin_download(server) as download:
            server.send_signal(signal.SIGTERM)
            server.wait(0)
            require_cut(download)
            assert download.end is End.RESET
        server.wait_for_log("1 connections did not end in time and are aborted")


def test_a_reload_is_no_reason_to_be_taken_out(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", settings={"server.ready_path": "/readyz"}) as server:
        with dialer(server)() as check:
            assert check.get("/readyz").status == 200
            server.send_signal(signal.SIGHUP)
            server.wait_for_log("1 workers serve with the new configuration")
            # By the old worker, on the connection that it has kept.
            assert check.get("/readyz").status == 200
        assert readiness(server) == READY
