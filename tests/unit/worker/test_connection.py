"""What a connection that waits costs in Python's memory; moves and transitions are tested in test_states."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ktlsserve.worker import handover, kernel_keys
from ktlsserve.worker.service import TlsService
from ktlsserve.worker.states import State
from tests.support.tls_client import MemoryClient
from tests.support.tls_server import common_context
from tests.support.worker_bench import USERSPACE, Bench

pytestmark = pytest.mark.slow

CONNECTIONS = 50
MOST_BYTES = 4096
HELLO = b"hello, world\n"
GET = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a test\r\nAccept: */*\r\n\r\n"
# Deep enough to find the program's frames above the libraries that allocate for it.
FRAMES = 16
OURS = (
    tracemalloc.Filter(True, "*/ktlsserve/*", all_frames=True),
    tracemalloc.Filter(False, "*/tls_client.py", all_frames=True),
)


@contextmanager
def growth() -> Iterator[Callable[[], int]]:
    """Yield what returns by how many bytes the program's objects have grown since."""

    def size() -> int:
        gc.collect()
        return sum(trace.size for trace in tracemalloc.take_snapshot().filter_traces(OURS).traces)

    tracemalloc.start(FRAMES)
    try:
        before = size()
        yield lambda: size() - before
    finally:
        tracemalloc.stop()


def serve_one(bench: Bench, *, tls: bool) -> None:
    """Make a connection that has had a reply and waits for its next request."""
    client = bench.connect()
    if not tls:
        bench.send_all(client, GET)
        bench.read(client, until=HELLO)
        return
    session = MemoryClient()
    bench.shake_hands(client, session)
    bench.send_all(client, session.send(GET))
    bench.read_tls(client, session, until=HELLO)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "userspace"])
def test_an_idle_connection_is_small(tls: bool, tmp_path: Path) -> None:
    """Under OpenSSL it is pyOpenSSL's objects that are counted; what OpenSSL has allocated itself isn't Python's."""
    (tmp_path / "hello.txt").write_bytes(HELLO)
    with Bench(tmp_path, with_tls=tls) as bench:
        for _ in range(10):
            serve_one(bench, tls=tls)
        with growth() as grown:
            for _ in range(CONNECTIONS):
                serve_one(bench, tls=tls)
            each = grown() / CONNECTIONS
        assert {conn.state for conn in bench.connections()} == {State.IDLE}
    assert 300 < each < MOST_BYTES, each


@pytest.mark.parametrize("can_rekey", [False, True])
def test_where_the_kernel_has_the_keys_nothing_of_openssl_is_left(
    can_rekey: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's part is left out: without it no reply can be read, and a connection waits for its first request."""
    for module, name in ((handover, "attach_ulp"), (kernel_keys, "install_tx"), (kernel_keys, "install_rx")):
        monkeypatch.setattr(module, name, lambda *_arguments: None)
    plan = replace(USERSPACE, kernel_sends=True, kernel_receives=True, can_rekey=can_rekey)
    tls = TlsService(common_context(), plan, max_handshake_bytes=65536, handshakes_in_progress=1000)
    with Bench(tmp_path, tls=tls) as bench:

        def shake_hands() -> None:
            bench.shake_hands(bench.connect(), MemoryClient())

        for _ in range(10):
            shake_hands()
        with growth() as grown:
            for _ in range(CONNECTIONS):
                shake_hands()
            each = grown() / CONNECTIONS
            by_openssl = [tracemalloc.Filter(True, "*/OpenSSL/*", all_frames=True)]
            left = tracemalloc.take_snapshot().filter_traces(OURS).filter_traces(by_openssl)
        assert {conn.state for conn in bench.connections()} == {State.HEAD}
        # Two secrets may be: the next keys are derived from them. OpenSSL's objects would be ten times as much.
        assert sum(trace.size for trace in left.traces) / CONNECTIONS < 300
    assert 300 < each < MOST_BYTES, each


def test_an_idle_connection_has_no_buffers(tmp_path: Path) -> None:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    with Bench(tmp_path) as bench:
        client = bench.connect()
        bench.send_all(client, GET[:20])
        bench.settle()
        bench.send_all(client, GET[20:])
        bench.read(client, until=HELLO)
        conn = bench.only()
        assert (conn.buffer, conn.head, conn.handshake_output) == (b"", b"", b"")
        assert (conn.outbox, conn.reply, conn.discarder, conn.handshake) == (None, None, None, None)
