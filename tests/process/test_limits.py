"""Limits reached: who comes too late waits, is served when there is room, and costs no processor time meanwhile."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import Wire, dialer, request

pytestmark = pytest.mark.slow

WATCH_S = 0.4
# A worker that spins uses all of it. One that waits is woken a few times by what the test itself does.
MOST_BUSY = 0.2


def require_rest(pid: int) -> None:
    """Watch a process for a while, and require that it does next to nothing."""
    before_ns, began_ns = processes.cpu_ns(pid), time.monotonic_ns()
    time.sleep(WATCH_S)
    busy = (processes.cpu_ns(pid) - before_ns) / (time.monotonic_ns() - began_ns)
    assert busy < MOST_BUSY, f"the worker was busy {busy:.0%} of the time"


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_more_connections_than_a_worker_takes(tmp_path: Path, tree: Path, tls: str) -> None:
    with (
        Server(tmp_path / "server", tree, tls=tls, settings={"limits.connections": 4}) as server,
        ExitStack() as stack,
    ):
        (worker,) = server.worker_pids()
        dial = dialer(server)
        inside = [stack.enter_context(dial()) for _ in range(4)]
        for wire in inside:
            assert wire.get("/hello.txt").status == 200
        waiting = [stack.enter_context(Wire(server.address)) for _ in range(3)]
        for wire in waiting:
            wire.send(request("/hello.txt"))
        require_rest(worker)
        assert inside[0].get("/hello.txt").status == 200
        assert [wire.receive_now() for wire in waiting] == [b""] * 3
        for leaving, entering in zip(inside, waiting, strict=False):
            leaving.close()
            # Over TLS it is told that it should speak TLS: it is served, too.
            assert entering.responses(1)[0].status == (200 if tls == "off" else 400)


def test_more_handshakes_than_a_worker_takes(tmp_path: Path, tree: Path) -> None:
    settings = {"tls.handshakes_in_progress": 2}
    with Server(tmp_path / "server", tree, tls="userspace", settings=settings) as server, ExitStack() as stack:
        (worker,) = server.worker_pids()
        dial = dialer(server)
        established = stack.enter_context(dial())
        assert established.get("/hello.txt").status == 200
        silent = [stack.enter_context(Wire(server.address)) for _ in range(2)]
        plain = stack.enter_context(Wire(server.address))
        plain.send(request("/hello.txt"))
        require_rest(worker)
        assert established.get("/hello.txt").status == 200
        assert plain.receive_now() == b""
        # Whoever has done its handshake isn't counted, nor is one whose handshake has failed.
        silent[0].send(b"no TLS")
        assert plain.responses(1)[0].status == 400
        for _ in range(4):
            assert stack.enter_context(dial()).get("/hello.txt").status == 200


def limit_descriptors(pid: int, room: int) -> Callable[[], None]:
    """Let the process have ``room`` more descriptors than now; return what lifts that again."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (max(processes.descriptors(pid)) + 1 + room, before[1]))
    return lambda: resource.prlimit(pid, resource.RLIMIT_NOFILE, before) and None


def test_no_descriptors_left_for_connections(tmp_path: Path, tree: Path) -> None:
    with Server(tmp_path / "server", tree, tls="off") as server, ExitStack() as stack:
        (worker,) = server.worker_pids()
        dial = dialer(server)
        inside = stack.enter_context(dial())
        assert inside.get("/hello.txt").status == 200
        lift = limit_descriptors(worker, 1)
        wires = [stack.enter_context(dial()) for _ in range(5)]
        for wire in wires:
            wire.send(request("/hello.txt"))
        server.wait_for_log("accepting pauses for 0.5 s: Too many open files")
        require_rest(worker)
        # Nobody who is inside notices.
        assert inside.get("/hello.txt").status == 200
        lift()
        assert [wire.responses(1)[0].status for wire in wires] == [200] * 5


def test_no_descriptors_left_for_files(tmp_path: Path, tree: Path) -> None:
    with Server(tmp_path / "server", tree, tls="off") as server, ExitStack() as stack:
        (worker,) = server.worker_pids()
        dial = dialer(server)
        wires = [stack.enter_context(dial()) for _ in range(3)]
        for wire in wires:
            assert wire.get("/missing").status == 404
        lift = limit_descriptors(worker, 0)
        refused = wires[0].get("/docs/deep/er/page.html")
        assert (refused.status, refused.values(b"Connection")) == (503, [b"close"])
        assert wires[0].read_to_end() == b""
        assert wires[0].end is wires[0].orderly
        wires[0].close()
        lift()
        assert wires[1].get("/docs/deep/er/page.html").status == 200
        wait_until(lambda: server.sockets() == 4, "the end of the refused connection")
