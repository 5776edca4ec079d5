"""What becomes of clients that are slow or silent, with timeouts of a fraction of a second.

No test measures how long something takes. What is shown is which timeout ended a connection (the log names it), what
the client saw of it, that it didn't come too early, and in which order things happened.
"""

from __future__ import annotations

import re
import select
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.site_tree import FILES
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import Dial, End, TlsWire, Wire, client_context, dialer, request

pytestmark = pytest.mark.slow

HANDSHAKE_S = 0.4
HEAD_S = 0.6
# Long enough for a client on a busy machine to make its next request in.
IDLE_S = 1.5
SEND_S = 0.5
CLOSE_S = 0.5
SETTINGS = {
    "timeouts.head_s": HEAD_S,
    "timeouts.idle_s": IDLE_S,
    "timeouts.send_s": SEND_S,
    "timeouts.close_s": CLOSE_S,
}
# Between the bytes of a client that drips.
DRIP_S = 0.02
# Beyond what the buffers of both sides can hold on loopback (net.ipv4.tcp_wmem allows the sender 4 MiB).
LARGE_BYTES = 24 << 20
# Less than the server's send buffer has room for.
MEDIUM_BYTES = 1 << 20
SMALL_BUFFER_BYTES = 16384


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("root")
    (folder / "hello.txt").write_bytes(FILES[b"hello.txt"])
    with (folder / "large.bin").open("wb") as file:
        file.truncate(LARGE_BYTES)
    with (folder / "medium.bin").open("wb") as file:
        file.truncate(MEDIUM_BYTES)
    return folder


@pytest.fixture(scope="module", params=["off", "userspace"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), root, tls=request.param, settings=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def dial(server: Server) -> Dial:
    return dialer(server)


def timed_out(server: Server, wire: Wire) -> list[str]:
    """Return which timeouts the connection has run into, as the log tells."""
    return re.findall(rf" {re.escape(wire.name)}: (\w+ timeout in state \w+)$", server.log(), re.MULTILINE)


def test_silence_is_ended_without_a_byte(server: Server, dial: Dial) -> None:
    began_s = time.monotonic()
    with dial() as wire:
        assert wire.read_to_end() == b""
        assert wire.end is wire.orderly
        assert time.monotonic() - began_s >= HEAD_S
        assert timed_out(server, wire)[0] == "head timeout in state HEAD"


def test_half_a_head_is_answered_with_408(server: Server, dial: Dial) -> None:
    with dial() as wire:
        began_s = time.monotonic()
        wire.send(request("/hello.txt")[:-2])
        (response,) = wire.responses(1)
        assert wire.read_to_end() == b""
        assert (response.status, response.values(b"Connection")) == (408, [b"close"])
        assert wire.end is wire.orderly
        assert timed_out(server, wire)[0] == "head timeout in state HEAD"
    # The first head's time runs from the connection's beginning, before ours.
    assert time.monotonic() - began_s >= HEAD_S / 2


def test_half_a_second_head_is_answered_with_408(dial: Dial) -> None:
    with dial() as wire:
        assert wire.get("/hello.txt").status == 200
        wire.send(request("/hello.txt")[:20])
        assert [response.status for response in wire.responses(1)] == [408]
        assert wire.read_to_end() == b""
        assert wire.end is wire.orderly


def test_an_idle_connection_is_ended_in_order(server: Server, dial: Dial) -> None:
    with dial() as wire:
        assert wire.get("/hello.txt").status == 200
        began_s = time.monotonic()
        assert wire.get("/hello.txt").status == 200
        assert wire.read_to_end() == b""
        assert wire.end is wire.orderly
        assert time.monotonic() - began_s >= IDLE_S
        assert timed_out(server, wire)[0] == "idle timeout in state IDLE"


def test_dripping_does_not_extend_the_time_of_a_head(server: Server, dial: Dial) -> None:
    head = request("/hello.txt", *(f"X-Padding-{number}: x" for number in range(90)))
    with dial() as dripping, dial() as waiting, dial() as witness:
        for wire in (dripping, waiting, witness):
            assert wire.get("/hello.txt").status == 200
        dripping.send(head[:1])
        # The worker has had that byte before it answers this.
        assert witness.get("/hello.txt").status == 200
        waiting.send(head[:1])
        sent = 1
        while not select.select([waiting.sock], [], [], DRIP_S)[0]:
            assert sent < len(head) - 4, "the connection that began to wait later isn't ended"
            dripping.send(head[sent : sent + 1])
            sent += 1
        assert [response.status for response in waiting.responses(1)] == [408]
        assert [response.status for response in dripping.responses(1)] == [408]
        assert sent > 2
        log = server.log()
        assert 0 < log.index(f"{dripping.name}: head timeout") < log.index(f"{waiting.name}: head timeout")


def test_a_body_that_does_not_come_ends_the_connection(server: Server, dial: Dial) -> None:
    with dial() as silent, dial() as dripping:
        for wire in (silent, dripping):
            wire.send(request("/hello.txt", "Content-Length: 1000") + b"x")
            assert [response.status for response in wire.responses(1)] == [200]
        for _ in range(900):
            if select.select([dripping.sock], [], [], DRIP_S)[0]:
                break
            dripping.send(b"x")
        for wire in (silent, dripping):
            assert wire.read_to_end() == b""
            assert wire.end is wire.orderly
            assert timed_out(server, wire)[0] == "head timeout in state BODY"


def test_a_reader_that_stalls_is_given_up(server: Server) -> None:
    began_s = time.monotonic()
    with dialer(server, receive_buffer_bytes=SMALL_BUFFER_BYTES)() as wire:
        wire.send(request("/large.bin"))
        server.wait_for_log(rf"{re.escape(wire.name)}: send timeout in state SENDING")
        assert time.monotonic() - began_s >= SEND_S
        server.wait_for_log(rf"{re.escape(wire.name)}: connection aborted")
        # A reply that isn't whole must not look whole, so there is no orderly end.
        assert len(wire.read_to_end()) < LARGE_BYTES
        assert wire.end is End.RESET


def test_a_slow_reader_is_not_given_up(server: Server) -> None:
    with dialer(server, receive_buffer_bytes=SMALL_BUFFER_BYTES)() as wire:
        wire.send(request("/large.bin"))
        taken = 0
        until_s = time.monotonic() + 3 * SEND_S
        while time.monotonic() < until_s:
            data = wire.receive()
            assert data, f"ended with {wire.end} after {taken} bytes"
            taken += len(data)
            # As slow as may be: a little, well within the time for each byte.
            time.sleep(SEND_S / 10)
        # Far less than makes room in the send buffer, so the server has sent nothing new in all this time.
        assert taken < 2 << 20
        while taken < LARGE_BYTES:
            data = wire.receive()
            assert data, f"ended with {wire.end} after {taken} bytes"
            taken += len(data)


def test_a_slow_reader_of_a_last_reply_is_not_given_up(server: Server) -> None:
    with dialer(server, receive_buffer_bytes=SMALL_BUFFER_BYTES)() as wire:
        # All of it fits into the server's send buffer: as far as the worker can see it has been sent.
        wire.send(request("/medium.bin", "Connection: close"))
        taken = 0
        until_s = time.monotonic() + 3 * CLOSE_S
        while time.monotonic() < until_s:
            data = wire.receive()
            assert data, f"ended with {wire.end} after {taken} bytes"
            taken += len(data)
            time.sleep(CLOSE_S / 5)
        assert taken < MEDIUM_BYTES
        taken += len(wire.read_to_end())
        assert wire.end is wire.orderly, f"ended with {wire.end} after {taken} bytes"
        assert taken > MEDIUM_BYTES


def test_a_client_that_never_closes_is_not_waited_for(server: Server, dial: Dial) -> None:
    with dial() as bystander:
        assert bystander.get("/hello.txt").status == 200
        with dial() as wire:
            wire.send(request("/hello.txt", "Connection: close"))
            wire.read_to_end()
            assert wire.end is wire.orderly
            server.wait_for_log(rf"{re.escape(wire.name)}: close timeout in state LINGERING")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    settings = {"timeouts.handshake_s": HANDSHAKE_S}
    with Server(tmp_path_factory.mktemp("strict"), root, tls="userspace", settings=settings) as running:
        yield running


@pytest.mark.parametrize("part", ["nothing", "half a hello", "no Finished"])
def test_a_handshake_that_stalls_is_ended(strict: Server, part: str) -> None:
    began_s = time.monotonic()
    with ExitStack() as stack:
        wire: Wire
        if part == "nothing":
            wire = stack.enter_context(Wire(strict.address))
        else:
            context = client_context(strict)
            wire = tls = stack.enter_context(TlsWire(strict.address, context, shake_hands=False))
            with pytest.raises(ssl.SSLWantReadError):
                tls.tls.do_handshake()
            hello = tls.outgoing.read()
            tls.sock.sendall(hello[: len(hello) // 2] if part == "half a hello" else hello)
        wait_until(lambda: timed_out(strict, wire) == ["handshake timeout in state HANDSHAKE"], "the timeout")
        assert time.monotonic() - began_s >= HANDSHAKE_S
        wire.sock.settimeout(LIMIT_S)
        flight = b""
        with suppress(ConnectionResetError):
            while True:
                piece = wire.sock.recv(65536)
                assert piece, "a handshake that failed looks like an orderly end"
                flight += piece
        assert (part == "no Finished") == bool(flight)
