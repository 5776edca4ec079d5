"""Thousands of connections of all kinds: the last finds the workers as the first left them."""

from __future__ import annotations

import random
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.downloads import HELLO, SMALL_BUFFER_BYTES, make_download_root
from tests.support.mixed_load import MixedLoad
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import Dial, Wire, dialer, request

pytestmark = pytest.mark.slow

WARM_UP = 200
CONNECTIONS = {"off": 1000, "userspace": 1000}
# A kilobyte lost with each connection would be a megabyte; the rest is the allocator's and OpenSSL's affair.
MOST_GROWTH_BYTES = 8 << 20

# 30,000 requests in all: half an hour's, at 17 a second.
HALF = 7500
# From the first half's end to the second's: 600 bytes for each of some 1,700 connections.
MOST_GROWTH_OF_A_HALF_BYTES = 1 << 20


def use_connection(kind: int, dial: Dial, server: Server) -> None:
    """Have a connection of one kind, from its beginning to its end."""
    match kind:
        case 0:
            with dial() as wire:
                assert wire.get("/hello.txt", "Connection: close").body == HELLO
                assert wire.read_to_end() == b""
        case 1:
            with dial() as wire:
                for path, status in (("/hello.txt", 200), ("/missing", 404), ("/../x", 400)):
                    assert wire.get(path).status == status
        case 2:
            with dial() as wire:
                wire.send(request("/large.bin"))
                wire.await_beginning()
            # Leaves with unread data: RST.
        case 3:
            with dial() as wire:
                wire.send(request("/hello.txt")[:-7])
        case 4:
            with dial() as wire:
                wire.send(request("/hello.txt") * 40)
                wire.half_close()
                assert wire.read_to_end().count(HELLO) == 40
        case 5:
            with dial() as wire:
                wire.send(b"\x00not a request\r\n\r\n")
                assert wire.responses(1)[0].status == 400
        case 6:
            with Wire(server.address) as wire, suppress(ConnectionError):
                wire.send(b"\x16\x03\x01\x00\x05nonsense")
                wire.half_close()
                wire.read_to_end()
        case 7:
            wire = dial()
            wire.send(request("/large.bin") * 3)
            wire.await_beginning()
            wire.reset()
        case _:
            with suppress(ssl.SSLError, ConnectionError), Wire(server.address):
                pass


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_descriptors_and_memory_stay_as_they_are(tmp_path: Path, tls: str) -> None:
    (tmp_path / "root").mkdir()
    root = make_download_root(tmp_path / "root")
    settings = {"log.level": "warning", "timeouts.close_s": 2.0, "log.access_log": str(tmp_path / "access.log")}
    with Server(tmp_path / "server", root, tls=tls, settings=settings) as server:
        (worker,) = server.worker_pids()
        dial = dialer(server, receive_buffer_bytes=SMALL_BUFFER_BYTES)
        idle = server.sockets()
        kinds = [*range(9)] * (CONNECTIONS[tls] // 9 + 1)
        random.Random(9).shuffle(kinds)
        for kind in kinds[:WARM_UP]:
            use_connection(kind, dial, server)
        wait_until(lambda: server.sockets() == idle, "the end of the first connections")
        held, memory_bytes = len(processes.descriptors(worker)), processes.resident_bytes(worker)
        for kind in kinds:
            use_connection(kind, dial, server)
        wait_until(lambda: server.sockets() == idle, "the end of the connections")
        assert len(processes.descriptors(worker)) == held
        assert processes.resident_bytes(worker) - memory_bytes < MOST_GROWTH_BYTES
        assert server.worker_pids() == [worker]


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_half_an_hour_of_mixed_load(tmp_path: Path, tls: str) -> None:
    (tmp_path / "root").mkdir()
    root = make_download_root(tmp_path / "root")
    settings = {"log.level": "warning", "timeouts.close_s": 2.0, "log.access_log": str(tmp_path / "access.log")}
    with Server(tmp_path / "server", root, tls=tls, settings=settings) as server:
        workers, idle = server.worker_pids(), server.sockets()
        load = MixedLoad(server, seed=30)

        def run_half() -> tuple[dict[int, list[str]], int]:
            """Return what the workers hold, and their memory, when the clients of half the load are gone."""
            load.run(HALF)
            wait_until(lambda: server.sockets() == idle, "the end of the connections")
            held = {pid: sorted(processes.descriptors(pid).values()) for pid in workers}
            return held, sum(map(processes.resident_bytes, workers))

        held, memory_bytes = run_half()
        held_at_last, memory_bytes_at_last = run_half()
        assert len(load.kinds) == 10
        assert held_at_last == held
        assert memory_bytes_at_last - memory_bytes < MOST_GROWTH_OF_A_HALF_BYTES, load.kinds
        assert server.worker_pids() == workers
