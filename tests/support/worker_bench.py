"""A worker in the test's own process and thread, turned by hand: no fork, no waiting, and the time in the test's hands.

::

    with Bench(folder) as bench:
        client = bench.connect()
        client.sendall(b"GET / HTTP/1.1...")
        assert bench.read(client, until=b"...")
        bench.pass_time(60)
        assert bench.ended(client)
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from OpenSSL import SSL

from ktlsserve.address import Address
from ktlsserve.config import Config, Server, Tls
from ktlsserve.supervisor.assembly import assemble
from ktlsserve.supervisor.listeners import Listener, bind
from ktlsserve.worker.connection import Connection
from ktlsserve.worker.handover import HandoverPlan
from ktlsserve.worker.loop import Worker
from ktlsserve.worker.service import TlsService
from tests.support.tls_client import MemoryClient
from tests.support.tls_server import common_context

USERSPACE = HandoverPlan(kernel_sends=False, kernel_receives=False, required=False, can_rekey=False, max_key_updates=16)
# A turn that finds nothing to do waits this long for the loopback, or for a timer of a few milliseconds.
_PATIENCE_S = 0.01
_MOST_TURNS = 3000


class Reset(Exception):
    """The server has ended the connection with RST."""


class Bench:
    """Serves ``folder`` from one worker on the loopback; ``config`` says how, apart from TLS, which is ``tls``."""

    def __init__(
        self, folder: Path, config: Config | None = None, *, tls: TlsService | None = None, with_tls: bool = False
    ) -> None:
        config = config or Config()
        config = replace(config, server=replace(config.server, root=folder), tls=Tls(mode="off"))
        listeners: tuple[Listener, ...] = bind(Address("127.0.0.1", 0), 128)
        if with_tls and tls is None:
            tls = TlsService(common_context(), USERSPACE, max_handshake_bytes=65536, handshakes_in_progress=100)
        self.service = replace(assemble(config, listeners), tls=tls)
        self.address: tuple[str, int] = listeners[0].sock.getsockname()
        self.control, theirs = socket.socketpair()
        self._theirs = theirs
        self.worker = Worker(self.service, theirs)
        self._clients: list[socket.socket] = []
        self._ahead_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for conn in self.connections():
            conn.sock.close()
            conn.release_reply()
        for sock in (*self._clients, self.control, self._theirs, *self.service.listeners):
            sock.close()
        self.worker.reader.close()
        self.worker.verifier.close()
        self.worker.files.clear()
        self.worker._epoll.close()
        notices = self.worker.files._notices
        if notices is not None:
            notices.close()
        self.service.close()

    # The worker.

    def connections(self) -> list[Connection]:
        """Return the connections that the worker has."""
        return list(self.worker._connections.values())

    def only(self) -> Connection:
        """Return the only connection that the worker has."""
        (conn,) = self.connections()
        return conn

    def turn(self, patience_s: float = 0.0) -> bool:
        """Have one turn of the loop; return whether there was anything to do."""
        worker = self.worker
        ready = worker._epoll.poll(patience_s if worker._wait_s() else 0, 256)
        busy = bool(ready or worker._later or worker._handshakes)
        worker._begin_turn(noticed=worker._notices_event in ready)
        self._move_clock(self._ahead_s)
        worker.turn.handle(ready, worker.now_s)
        worker._run_handshakes()
        worker._run_later()
        worker._run_timers()
        return busy

    def until(self, condition: Callable[[], bool]) -> None:
        """Turn until ``condition`` holds."""
        for _ in range(_MOST_TURNS):
            if condition():
                return
            self.turn(_PATIENCE_S)
        raise AssertionError("it never came to that")

    def settle(self) -> None:
        """Turn until nothing happens any more."""
        for _ in range(_MOST_TURNS):
            if not self.turn():
                return
        raise AssertionError("the loop spins")

    def pass_time(self, seconds: float) -> None:
        """Have the timers run as if so much time had passed; what comes then is later by as much."""
        self._ahead_s += seconds
        self._move_clock(seconds)
        self.worker._run_timers()

    def _move_clock(self, seconds: float) -> None:
        self.worker.now_s += seconds
        self.worker.files.now_s = self.worker.residency.now_s = self.worker.now_s

    # Clients.

    def connect(self, *, receive_buffer_bytes: int = 0) -> socket.socket:
        """Return a non-blocking connection that the worker has accepted."""
        before = len(self.connections())
        client = socket.socket()
        if receive_buffer_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        client.connect(self.address)
        client.setblocking(False)
        self._clients.append(client)
        self.until(lambda: len(self.connections()) > before)
        return client

    def read(self, client: socket.socket, *, until: bytes = b"", count: int = 0) -> bytes:
        """Turn and read until these bytes were seen, or so many came; with neither, until the end of the stream."""
        received = b""

        def enough() -> bool:
            nonlocal received
            while True:
                try:
                    data = client.recv(65536)
                except BlockingIOError:
                    return False
                except ConnectionResetError:
                    raise Reset(received) from None
                received += data
                if (until and until in received) or (count and len(received) >= count):
                    return True
                if not data:
                    assert not until, f"the stream ended before {until!r}: {received[:200]!r}"
                    assert not count, f"the stream ended after {len(received)} bytes"
                    return True

        self.until(enough)
        return received

    def ended(self, client: socket.socket) -> bool:
        """Tell whether nothing but the end of the stream comes; raise Reset for a connection that was aborted."""
        return self.read(client) == b""

    def send_all(self, client: socket.socket, data: bytes) -> None:
        """Send, turning the worker while it must take something first."""
        rest = memoryview(data)

        def done() -> bool:
            nonlocal rest
            try:
                rest = rest[client.send(rest) :]
            except BlockingIOError:
                return False
            return not rest

        if data:
            self.until(done)

    def shake_hands(self, client: socket.socket, tls: MemoryClient) -> None:
        """Have a TLS client finish its handshake, and the worker its half."""
        while not tls.done:
            self.send_all(client, tls.data_to_send())
            self.settle()
            with contextlib.suppress(BlockingIOError):
                tls.receive_data(client.recv(65536))
        self.send_all(client, tls.data_to_send())
        self.settle()

    def read_tls(self, client: socket.socket, tls: MemoryClient, *, until: bytes) -> bytes:
        """Read plaintext until these bytes were seen."""
        plaintext = b""

        def enough() -> bool:
            nonlocal plaintext
            for data in self._ready_bytes(client):
                plaintext += tls.recv(data)
            return until in plaintext

        self.until(enough)
        return plaintext

    def read_tls_end(self, client: socket.socket, tls: MemoryClient) -> bytes:
        """Read plaintext up to close_notify and the end of the stream."""
        plaintext, closed = b"", False
        for record in [self.read(client)]:
            tls.connection.bio_write(record)
            try:
                while True:
                    plaintext += tls.connection.recv(65536)
            except SSL.ZeroReturnError:
                closed = True
        assert closed, "the stream ended without close_notify"
        return plaintext

    @staticmethod
    def _ready_bytes(client: socket.socket) -> Iterator[bytes]:
        while select.select([client], [], [], 0)[0]:
            data = client.recv(65536)
            assert data, "the stream ended early"
            yield data


def server_config(**changes: object) -> Config:
    """Return a configuration with these tables changed: ``timeouts=Timeouts(...)``, ``drain_s=...``."""
    drain_s = changes.pop("drain_s", 30.0)
    return Config(server=Server(drain_s=drain_s), **changes)  # type: ignore[arg-type]
