"""Clients that take what they can, hundreds of them at a time; and one that has nothing to do with it and notices none.

What is shown is not how fast that other client is served but that it is: each of its requests, on an old connection and
on new ones, is answered whole while the attack stands. Then the attack ends by the server's own bounds, or by its
clients' leaving, and nothing of it stays.
"""

from __future__ import annotations

import random
import re
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from OpenSSL import SSL

from tests.support import processes
from tests.support.bystander import Bystander
from tests.support.downloads import HELLO, LARGE_BYTES, make_download_root
from tests.support.record_client import RecordClient
from tests.support.server import Server
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import TlsWire, Wire, client_context, dialer, request

pytestmark = pytest.mark.slow

ATTACKER = "127.0.0.2"
ATTACKERS = 300
WORKERS = 2
LOOKS = 15
# Of a worker: what OpenSSL and the allocator keep for the next connections, and what is under way in userspace.
MOST_GROWTH_BYTES = 24 << 20
HELD_BYTES = 512 << 10
KEY_UPDATES = 16


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


def serve(folder: Path, root: Path, tls: str, **timeouts: float) -> Server:
    settings: dict[str, object] = {f"timeouts.{name}": value for name, value in timeouts.items()}
    # No head in these tests is too large: it is its time that ends it.
    settings |= {"http.max_head_bytes": 1 << 20, "tls.max_key_updates": KEY_UPDATES}
    return Server(folder, root, tls=tls, workers=WORKERS, settings=settings)


class Calm:
    """A server under attack, as the client sees it that must not notice, and as its workers' memory tells."""

    def __init__(self, server: Server, bystander: Bystander, held_bytes: int) -> None:
        self.workers = server.worker_pids()
        self.bystander = bystander
        # Each of them has opened what it keeps open.
        bystander.require_service(4 * WORKERS)
        self.answered = bystander.answered
        self._most_bytes = self._resident_bytes() + WORKERS * MOST_GROWTH_BYTES + held_bytes

    def look(self, times: int = 1) -> None:
        """Require service, so many times, and no more memory than there may be."""
        self.bystander.require_service(times)
        assert self._resident_bytes() < self._most_bytes

    def _resident_bytes(self) -> int:
        return sum(map(processes.resident_bytes, self.workers))


@contextmanager
def require_calm(server: Server, *, held_bytes: int = 0) -> Iterator[Calm]:
    """Provide the client that must not notice; require that it was served, and that nothing stays of the attack.

    The attack may make the workers hold ``held_bytes``, which the allocator may keep.
    """
    with Bystander(server) as bystander:
        calm = Calm(server, bystander, held_bytes)
        idle = server.sockets()
        yield calm
        assert bystander.answered - calm.answered >= 3 * LOOKS
        wait_until(lambda: server.sockets() <= idle, "the end of the attack")
        calm.look(LOOKS)
        assert server.worker_pids() == calm.workers
        server.require_no_bug()


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_slowloris(tmp_path: Path, root: Path, tls: str) -> None:
    with (
        serve(tmp_path / "server", root, tls, head_s=4.0, close_s=1.0) as server,
        require_calm(server) as calm,
        ExitStack() as stack,
    ):
        dial = dialer(server, source=ATTACKER)
        wires = [stack.enter_context(dial()) for _ in range(ATTACKERS)]
        for wire in wires:
            wire.send(request("/hello.txt")[:-2])
        calm.look(LOOKS)
        give_up_s = time.monotonic() + LIMIT_S
        while wires:
            assert time.monotonic() < give_up_s
            calm.look()
            # Each has another field for its head now and then, until its time is up however much it sends.
            for wire in list(wires):
                try:
                    wire.send(b"X-a: b\r\n")
                except (ConnectionError, ssl.SSLError):
                    wires.remove(wire)


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_slow_readers(tmp_path: Path, root: Path, tls: str) -> None:
    """Downloads of which each client takes a few bytes now and then: it may, and costs others nothing."""
    held_bytes = ATTACKERS * HELD_BYTES if tls == "userspace" else 0
    with (
        serve(tmp_path / "server", root, tls) as server,
        require_calm(server, held_bytes=held_bytes) as calm,
        ExitStack() as stack,
    ):
        dial = dialer(server, receive_buffer_bytes=2048, source=ATTACKER)
        wires = [stack.enter_context(dial()) for _ in range(ATTACKERS)]
        for wire in wires:
            wire.send(request("/large.bin") * 3)
            wire.await_beginning()
        for _ in range(LOOKS):
            calm.look()
            for wire in wires:
                assert wire.sock.recv(100)


RANGES = {
    # What brought Apache down (CVE-2011-3192): each range begins elsewhere and ends behind the others.
    "overlapping": "bytes=0-," + ",".join(f"5-{end}" for end in range(1300)),
    "single bytes": "bytes=" + ",".join(f"{start * 1000}-{start * 1000}" for start in range(1000)),
    "the whole, often": "bytes=" + ",".join(["0-"] * 200),
    "from the end": "bytes=" + ",".join(f"-{count}" for count in range(1, 1000)),
}


@pytest.mark.parametrize("tls", ["off", "userspace"])
@pytest.mark.parametrize("ranges", RANGES.values(), ids=RANGES)
def test_range_floods(tmp_path: Path, root: Path, tls: str, ranges: str) -> None:
    """Many ranges of a large file, again and again on many connections; some read the beginning, most nothing."""
    held_bytes = 7 * LOOKS * HELD_BYTES if tls == "userspace" else 0
    with (
        serve(tmp_path / "server", root, tls) as server,
        require_calm(server, held_bytes=held_bytes) as calm,
        ExitStack() as stack,
    ):
        dial = dialer(server, receive_buffer_bytes=4096, source=ATTACKER)
        # No more is sent for it than for the whole file, with a head.
        with dialer(server)() as single:
            single.send(request("/large.bin", f"Range: {ranges}", "Connection: close"))
            assert len(single.read_to_end()) < LARGE_BYTES + 1000
        for _ in range(LOOKS):
            for _ in range(7):
                wire = stack.enter_context(dial())
                wire.send(request("/large.bin", f"Range: {ranges}") * 4)
                wire.await_beginning()
            calm.look()


def first_flight(server: Server) -> bytes:
    with TlsWire(server.address, client_context(server), shake_hands=False, source=ATTACKER) as wire:
        with suppress(ssl.SSLWantReadError):
            wire.tls.do_handshake()
        return wire.outgoing.read()


def test_handshake_floods(tmp_path: Path, root: Path) -> None:
    """Handshakes that stall in the middle, and others that fail at once."""
    numbers = random.Random(11)
    with (
        serve(tmp_path / "server", root, "userspace", handshake_s=30.0) as server,
        require_calm(server) as calm,
        ExitStack() as stack,
    ):
        hello = first_flight(server)
        for number in range(ATTACKERS):
            stalled = stack.enter_context(Wire(server.address, source=ATTACKER))
            stalled.send(hello[: numbers.randrange(len(hello) + 1)])
            with Wire(server.address, source=ATTACKER) as failing, suppress(ConnectionError):
                failing.send(hello[: numbers.randrange(len(hello) + 1)] + numbers.randbytes(100))
                failing.half_close()
            if number % (ATTACKERS // LOOKS) == 0:
                calm.look()
        # All that stall are still there.
        assert server.sockets() >= ATTACKERS
        calm.look(LOOKS)


def renegotiate(server: Server) -> None:
    """Do a handshake of TLS 1.2 and ask for another on the same connection, which is refused."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    with Wire(server.address, source=ATTACKER) as wire:
        connection = SSL.Connection(context, None)
        connection.set_connect_state()

        def step(action: Callable[[], object]) -> None:
            while True:
                try:
                    action()
                except SSL.WantReadError:
                    with suppress(SSL.WantReadError):
                        wire.sock.sendall(connection.bio_read(65536))
                    data = wire.sock.recv(65536)
                    if not data:
                        raise ConnectionError from None
                    connection.bio_write(data)
                else:
                    return

        step(connection.do_handshake)
        assert connection.renegotiate()
        with pytest.raises((SSL.Error, ConnectionError)):
            step(connection.do_handshake)


def test_renegotiation_floods(tmp_path: Path, root: Path) -> None:
    with serve(tmp_path / "server", root, "userspace") as server, require_calm(server) as calm:
        for _ in range(LOOKS):
            for _ in range(7):
                renegotiate(server)
            calm.look()


def test_key_update_storms(tmp_path: Path, root: Path) -> None:
    """More changes of the key than a connection may have, at once or one by one, with answers or without."""
    with serve(tmp_path / "server", root, "userspace") as server, require_calm(server) as calm:
        for number in range(4 * LOOKS):
            requested = number % 2 == 0
            with RecordClient(server) as client:
                allowed = b"".join(client.update_key(requested=requested) for _ in range(KEY_UPDATES))
                client.sock.sendall(allowed)
                assert client.get("/hello.txt").body == HELLO
                storm = b"".join(client.update_key(requested=requested) for _ in range(1000))
                with suppress(ConnectionError):
                    client.sock.sendall(storm)
                    client.read_to_end()
            if number % 4 == 0:
                calm.look()
        assert len(re.findall(r"connection ends: .*KeyUpdate", server.log())) == 4 * LOOKS
