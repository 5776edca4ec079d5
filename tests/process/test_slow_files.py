"""A file system that doesn't answer holds up those who ask for its files, and nobody else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.slow_files import SlowFiles, missing_fuse
from tests.support.wire import Wire, dialer, request

pytestmark = pytest.mark.skipif(missing_fuse() is not None, reason=f"no FUSE: {missing_fuse()}")

CONTENT = {"large.bin": os.urandom(3 << 20), "small.txt": b"slowly\n"}
QUICK = b"at once\n"
# More than there are threads, and enough to tell that the loop turns.
REQUESTS = 50


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "quick.txt").write_bytes(QUICK)
    (folder / "quick.bin").write_bytes(QUICK * 10_000)
    return folder


@pytest.fixture
def slow(root: Path) -> Iterator[SlowFiles]:
    with SlowFiles(root / "slow", CONTENT) as mounted:
        yield mounted


@pytest.mark.parametrize("tls", ["off", "userspace"])
@pytest.mark.parametrize("name", sorted(CONTENT))
def test_others_are_served_while_a_file_is_read(
    name: str, tls: str, tmp_path: Path, root: Path, slow: SlowFiles
) -> None:
    with Server(tmp_path / "server", root, tls=tls) as server:
        dial = dialer(server)
        with dial() as waiting, dial() as other:
            waiting.send(request(f"/slow/{name}"))
            slow.await_read()
            for _ in range(REQUESTS):
                assert other.get("/quick.txt").body == QUICK
            assert other.get("/quick.bin").body == QUICK * 10_000
            with dial() as late:
                assert late.get("/quick.txt").body == QUICK
            assert waiting.receive_now() == b""
            slow.release()
            (response,) = waiting.responses(1)
            assert (response.status, response.body) == (200, CONTENT[name])
            # Known now: from memory, or without a thread.
            assert waiting.get(f"/slow/{name}").body == CONTENT[name]


def test_more_slow_files_than_threads_hold_up_nobody_else(tmp_path: Path, root: Path, slow: SlowFiles) -> None:
    with Server(tmp_path / "server", root, tls="off", settings={"files.read_threads": 2}) as server:
        waiting = [Wire(server.address) for _ in range(6)]
        for number, wire in enumerate(waiting):
            wire.send(request("/slow/large.bin", f"Range: bytes={number * 1000}-{number * 1000 + 99}"))
        slow.await_read()
        with Wire(server.address) as other:
            for _ in range(REQUESTS):
                assert other.get("/quick.txt").body == QUICK
        # One that leaves is forgotten, whatever becomes of its read.
        waiting.pop().reset()
        slow.release()
        for number, wire in enumerate(waiting):
            (response,) = wire.responses(1)
            assert response.body == CONTENT["large.bin"][number * 1000 : number * 1000 + 100]
            wire.close()


def test_a_server_ends_although_a_read_does_not(tmp_path: Path, root: Path, slow: SlowFiles) -> None:
    with (
        Server(tmp_path / "server", root, tls="off", settings={"server.drain_s": 0.5}) as server,
        Wire(server.address) as wire,
    ):
        wire.send(request("/slow/large.bin"))
        slow.await_read()
        server.send_signal(signal.SIGTERM)
        wire.read_to_end()
        # The thread stays in its read until the file system answers: no process ends before its threads do.
        slow.release()
        server.wait()
