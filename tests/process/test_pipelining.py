"""Requests behind each other, behind bodies, and behind a client that reads late or has closed its side."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support import processes
from tests.support.corpus import parse_responses
from tests.support.downloads import HELLO, begin_download, finish, make_download_root
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import Dial, TlsWire, dialer, request

pytestmark = pytest.mark.slow

FILES = 50
MANY = 1000
MEDIUM_BYTES = 100_000
# What a connection may hold of requests not yet answered (twice 64 KiB) and of encrypted bytes not yet sent (256 KiB)
# is a small part of that.
MOST_GROWTH_BYTES = 6 << 20
# What fits into the buffers of both ends: 4 MiB and more.
MOST_TAKEN = 10_000
# Both ends' buffers are full when nothing can be written for so long.
STALL_S = 0.3


@pytest.fixture(scope="module", params=["off", "userspace"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = make_download_root(tmp_path_factory.mktemp("root"))
    for number in range(FILES):
        (root / f"{number}.txt").write_bytes(b"%d " % number * number)
    (root / "medium.bin").write_bytes(bytes(MEDIUM_BYTES))
    with Server(tmp_path_factory.mktemp("server"), root, tls=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def dial(server: Server) -> Dial:
    return dialer(server)


def test_a_thousand_requests_in_one_write(dial: Dial) -> None:
    with dial() as wire:
        wire.send(b"".join(request(f"/{number % FILES}.txt") for number in range(MANY)))
        bodies = [response.body for response in wire.responses(MANY)]
        assert bodies == [b"%d " % (number % FILES) * (number % FILES) for number in range(MANY)]
        assert wire.get("/hello.txt").body == HELLO


def test_requests_of_all_kinds_in_one_write(dial: Dial) -> None:
    kinds = [
        (request("/1.txt"), 200),
        (request("/1.txt", method="HEAD"), 200),
        (request("/missing"), 404),
        (request("/1.txt", "Range: bytes=0-0"), 206),
        (request("/1.txt", method="DELETE"), 405),
        (request("/medium.bin"), 200),
        (request("/1.txt", "Content-Length: 5") + b"GET /", 200),
        (request("/1.txt", "Transfer-Encoding: chunked") + b"3\r\nGET\r\n0\r\nX: y\r\n\r\n", 200),
        (b"GET /1.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200),
    ]
    times = 20
    with dial() as wire:
        wire.send(b"".join(piece for piece, _ in kinds) * times)
        heads = [piece.startswith(b"HEAD") for piece, _ in kinds] * times
        assert [found.status for found in wire.responses(len(heads), heads)] == [status for _, status in kinds] * times


@pytest.mark.parametrize("server", ["userspace"], indirect=True)
def test_requests_in_records_of_their_own(server: Server) -> None:
    with dialer(server)() as wire:
        assert isinstance(wire, TlsWire)
        wire.sock.sendall(b"".join(wire.seal(request(f"/{number % FILES}.txt")) for number in range(MANY)))
        assert [len(response.body) for response in wire.responses(MANY)] == [
            len(b"%d " % (number % FILES)) * (number % FILES) for number in range(MANY)
        ]


def test_a_client_that_sends_and_does_not_read(server: Server) -> None:
    (worker,) = server.worker_pids()
    head = request("/medium.bin", "X-Padding: " + "x" * 2000)
    with dialer(server, receive_buffer_bytes=16384)() as wire:
        assert wire.get("/medium.bin").status == 200
        before_bytes = processes.resident_bytes(worker)
        requests, unsent = 0, b""
        wire.sock.setblocking(False)
        while select.select([], [wire.sock], [], STALL_S)[1]:
            if not unsent:
                requests, unsent = requests + 1, wire.seal(head)
            unsent = unsent[wire.sock.send(unsent) :]
            assert requests < MOST_TAKEN, "the server takes requests without end"
        assert processes.resident_bytes(worker) - before_bytes < MOST_GROWTH_BYTES
        busy_ns = processes.cpu_ns(worker)
        assert not select.select([], [wire.sock], [], STALL_S)[1]
        assert processes.cpu_ns(worker) - busy_ns < 0.1 * STALL_S * 1e9
        # Now it reads: every request is answered, the one that is cut as well once its rest comes.
        wire.sock.setblocking(True)
        read = sum(len(wire.receive()) for _ in range(20))
        wire.sock.sendall(unsent)
        wire.half_close()
        read += sum(len(piece) for piece in iter(wire.receive, b""))
        assert wire.end is wire.orderly
        assert 200 < read / requests - MEDIUM_BYTES < 600


def test_a_client_that_closes_its_side_gets_all_replies(dial: Dial) -> None:
    with dial() as wire:
        wire.send(b"".join(request(f"/{number % FILES}.txt") for number in range(100)))
        wire.half_close()
        found, rest = parse_responses(wire.read_to_end(), [])
        assert (len(found), rest, wire.end) == (100, b"", wire.orderly)


def test_a_client_that_closes_its_side_during_a_download(server: Server) -> None:
    with begin_download(server) as wire:
        finish(wire)


def test_a_side_closed_within_a_head_or_a_body_ends_the_connection(dial: Dial) -> None:
    for piece, statuses in [
        (b"", []),
        (request("/1.txt")[:-2], []),
        (request("/1.txt", "Content-Length: 5") + b"abc", [200]),
        (request("/1.txt") + b"GET /", [200]),
    ]:
        with dial() as wire:
            wire.send(piece)
            wire.half_close()
            found, rest = parse_responses(wire.read_to_end(), [])
            assert [response.status for response in found] == statuses
            assert (rest, wire.end) == (b"", wire.orderly)


def test_http_1_0_ends_unless_it_is_asked_to_stay(dial: Dial) -> None:
    with dial() as wire:
        wire.send(b"GET /hello.txt HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        (kept,) = wire.responses(1)
        assert kept.values(b"Connection") == [b"keep-alive"]
        wire.send(b"GET /hello.txt HTTP/1.0\r\n\r\n" * 2)
        found, rest = parse_responses(wire.read_to_end(), [])
        assert [(response.status, response.body) for response in found] == [(200, HELLO)]
        assert (rest, wire.end) == (b"", wire.orderly)


def test_a_request_behind_a_body_that_comes_slowly(dial: Dial) -> None:
    body = b"GET /missing HTTP/1.1\r\n\r\n" * 40
    with dial() as wire, dial() as witness:
        for framing, stream in [
            (f"Content-Length: {len(body)}", body),
            (
                "Transfer-Encoding: chunked",
                b"".join(b"%x\r\n%b\r\n" % (25, body[:25]) for _ in range(40)) + b"0\r\n\r\n",
            ),
        ]:
            wire.send(request("/hello.txt", framing))
            assert [response.body for response in wire.responses(1)] == [HELLO]
            for start in range(0, len(stream), 111):
                wire.send(stream[start : start + 111])
                assert witness.get("/hello.txt").status == 200
                assert wire.receive_now() == b""
            assert wire.get("/1.txt").body == b"1 "


def test_many_downloads_share_the_worker(server: Server) -> None:
    with ExitStack() as stack:
        downloads = [stack.enter_context(begin_download(server)) for _ in range(4)]
        with dialer(server)() as wire:
            # Whoever takes nothing is in nobody's way.
            assert wire.get("/hello.txt").body == HELLO
        for download in downloads:
            finish(download)
    wait_until(lambda: server.sockets() == 2, "the end of the downloads")
