"""What one client may take of a worker; several workers are in tests/process/test_client_limits.py."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from ktlsserve.config import Config, Http, Limits, Log, Server
from ktlsserve.http1.reply import Reply
from ktlsserve.http1.request import Request
from ktlsserve.networks import parse_network
from ktlsserve.observe.board import Board
from ktlsserve.worker import known, limiting
from ktlsserve.worker.limiting import ClientLimits, limits_of_clients
from tests.support.worker_bench import Bench, Reset

HELLO = b"hello, world\n"
HEAD = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(HELLO)
    return tmp_path


def bench(folder: Path, **limits: int) -> Bench:
    return Bench(folder, Config(limits=replace(Limits(), **limits)))


def limits_of(made: Bench) -> ClientLimits:
    limits = made.worker.client_limits
    assert limits is not None
    return limits


def ask(made: Bench, client: socket.socket, head: bytes = HEAD) -> tuple[int, dict[bytes, bytes]]:
    """Make a request and return its reply's status and fields."""
    made.send_all(client, head)
    reply = b""
    # All bodies are one line.
    while re.search(rb"\r\n\r\n[^\n]*\n\Z", reply) is None:
        reply += made.read(client, count=1)
    lines = reply.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return int(lines[0].split()[1]), dict(line.split(b": ", 1) for line in lines[1:])


def test_a_worker_without_limits_asks_nothing(folder: Path) -> None:
    with bench(folder) as made:
        assert made.worker.client_limits is None
        assert made.worker.answer_known is known.answer_from_memo
        assert limits_of_clients(made.service, None) is None
    # Requests are answered as without limits where only connections have one.
    with bench(folder, connections_per_client=1) as made:
        assert made.worker.answer_known is known.answer_from_memo


# Connections of a client.


def connect_from(made: Bench, host: str) -> socket.socket:
    """Return a connection from another address of the loopback."""
    client = socket.create_connection(made.address, source_address=(host, 0))
    client.setblocking(False)
    made.settle()
    return client


def is_reset(made: Bench, client: socket.socket) -> bool:
    try:
        made.read(client)
    except Reset as reset:
        return reset.args == (b"",)
    return False


def test_a_client_that_has_its_connections_is_reset_and_others_are_not(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with bench(folder, connections_per_client=2) as made, ExitStack() as stack:
        inside = [stack.enter_context(connect_from(made, "127.0.0.2")) for _ in range(2)]
        for _ in range(3):
            assert is_reset(made, stack.enter_context(connect_from(made, "127.0.0.2")))
        other = stack.enter_context(connect_from(made, "127.0.0.3"))
        for client in (*inside, other):
            assert ask(made, client)[0] == 200
        assert limits_of(made).refused_connections.count == 3
        (warning,) = [record.message for record in caplog.records if record.name == limiting.__name__]
        assert warning.startswith("127.0.0.2: connection refused: the client has 2 (limits.connections_per_client)")
        # One that ends makes room, however it ends.
        inside[0].close()
        made.settle()
        assert ask(made, stack.enter_context(connect_from(made, "127.0.0.2")))[0] == 200
        assert len(made.connections()) == 3


def test_a_connection_that_cannot_be_registered_is_not_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullEpoll:
        def __init__(self, epoll: object) -> None:
            self._epoll = epoll
            self.full = True

        def register(self, *arguments: object) -> None:
            if self.full:
                raise OSError(28, "No space left on device")
            self._epoll.register(*arguments)  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return getattr(self._epoll, name)

    with bench(folder, connections_per_client=1) as made:
        epoll = FullEpoll(made.worker._epoll)
        monkeypatch.setattr(made.worker, "_epoll", epoll)
        with connect_from(made, "127.0.0.2"):
            epoll.full = False
        with connect_from(made, "127.0.0.2") as client:
            assert ask(made, client)[0] == 200


# Requests on a connection.


def test_the_last_request_of_a_connection_is_told_so(folder: Path) -> None:
    with bench(folder, requests_per_connection=3) as made:
        for _ in range(2):
            client = made.connect()
            fields = [ask(made, client)[1] for _ in range(3)]
            assert [each.get(b"Connection") for each in fields] == [None, None, b"close"]
            assert made.ended(client)
            client.close()
            made.settle()


def test_pipelined_requests_behind_the_last_one_get_no_answer(folder: Path) -> None:
    with bench(folder, requests_per_connection=3) as made:
        client = made.connect()
        made.send_all(client, HEAD * 5)
        stream = made.read(client)
        assert (stream.count(HELLO), stream.count(b"Connection: close")) == (3, 1)


def test_one_request_a_connection(folder: Path) -> None:
    with bench(folder, requests_per_connection=1) as made:
        client = made.connect()
        assert ask(made, client)[1][b"Connection"] == b"close"
        assert made.ended(client)


# Requests each second.


def test_too_many_requests_are_told_when_to_come_again(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with bench(folder, requests_per_second=1, requests_burst=4) as made:
        one, another = made.connect(), made.connect()
        # The bucket is the client's, whichever connection it asks on.
        assert [ask(made, client)[0] for client in (one, another, one, another)] == [200] * 4
        for client in (one, another):
            status, fields = ask(made, client)
            assert (status, fields[b"Retry-After"]) == (429, b"1")
            assert b"Connection" not in fields
        assert limits_of(made).refused_requests.count == 2
        assert len([each for each in caplog.messages if "limits.requests_per_second" in each]) == 1
        # Another address has its own bucket, and the refused one gets what it is due in time.
        with connect_from(made, "127.0.0.2") as other:
            assert ask(made, other)[0] == 200
        made.pass_time(1.0)
        assert [ask(made, one)[0] for _ in range(2)] == [200, 429]


def test_each_request_takes_one_token_whichever_way_it_is_answered(folder: Path) -> None:
    with bench(folder, requests_per_second=1, requests_burst=20) as made:
        client = made.connect()
        # Worked out, known, known by its key, in pieces, pipelined.
        other = HEAD.replace(b"\r\n\r\n", b"\r\nX-Request-Id: 1\r\n\r\n")
        for head in (HEAD, HEAD, other):
            assert ask(made, client, head)[0] == 200
        for piece in (HEAD[:9], HEAD[9:-2]):
            made.send_all(client, piece)
            made.settle()
        assert ask(made, client, HEAD[-2:])[0] == 200
        made.send_all(client, HEAD * 20)
        made.until(lambda: limits_of(made).refused_requests.count == 4)
        statuses: list[bytes] = []
        stream = b""
        while len(statuses) < 20:
            stream += made.read(client, count=1)
            statuses = re.findall(rb"HTTP/1\.1 (\d+)", stream)
        assert statuses == [b"200"] * 16 + [b"429"] * 4


def test_a_refused_head_or_post_leaves_the_connection_in_step(folder: Path) -> None:
    with bench(folder, requests_per_second=1, requests_burst=1) as made:
        client = made.connect()
        assert ask(made, client)[0] == 200
        made.send_all(client, b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nGET / HTT")
        assert b" 429 " in made.read(client, until=b"429 Too Many Requests\n")
        made.send_all(client, b"HEAD /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert made.read(client, until=b"\r\n\r\n").endswith(b"\r\n\r\n")
        made.pass_time(1.0)
        assert ask(made, client)[0] == 200


# Behind load balancers.


def proxied(text: str) -> bytes:
    """Return a PROXY header of version 1 for a client at ``text``."""
    return f"PROXY TCP4 {text} 127.0.0.1 5555 8443\r\n".encode()


@pytest.fixture
def balanced(folder: Path) -> Iterator[Bench]:
    limits = Limits(connections_per_client=2, requests_per_second=1, requests_burst=4)
    server = Server(proxy_protocol=(parse_network("127.0.0.2"),))
    http = Http(forwarded_from=(parse_network("127.0.0.3"), parse_network("127.0.0.4")))
    with Bench(folder, Config(server=server, http=http, limits=limits)) as made:
        yield made


def test_the_client_of_a_proxy_header_is_limited_and_the_balancer_is_not(balanced: Bench) -> None:
    with ExitStack() as stack:
        for name in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
            inside = [stack.enter_context(connect_from(balanced, "127.0.0.2")) for _ in range(2)]
            for client in inside:
                assert ask(balanced, client, proxied(name) + HEAD)[0] == 200
            refused = stack.enter_context(connect_from(balanced, "127.0.0.2"))
            balanced.send_all(refused, proxied(name) + HEAD)
            assert is_reset(balanced, refused)
            assert [ask(balanced, client)[0] for client in (*inside, *inside)] == [200, 200, 429, 429]
            inside[0].close()
            balanced.settle()
            again = stack.enter_context(connect_from(balanced, "127.0.0.2"))
            assert ask(balanced, again, proxied(name) + HEAD)[0] == 429
        assert limits_of(balanced).refused_connections.count == 3


def test_a_proxy_header_that_names_nobody_is_not_limited(balanced: Bench) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            check = stack.enter_context(connect_from(balanced, "127.0.0.2"))
            assert ask(balanced, check, b"PROXY UNKNOWN\r\n" + HEAD)[0] == 200


def forwarded(*names: str) -> bytes:
    return HEAD.replace(b"\r\n\r\n", f"\r\nX-Forwarded-For: {', '.join(names)}\r\n\r\n".encode())


def test_requests_are_those_of_whom_a_believed_proxy_names(balanced: Bench) -> None:
    with ExitStack() as stack:
        # As many connections as the proxy likes.
        wires = [stack.enter_context(connect_from(balanced, "127.0.0.3")) for _ in range(5)]
        for name in ("192.0.2.1", "2001:db8::1"):
            # What the client itself writes there stands on the left, and another believed proxy on the right.
            heads = [forwarded(f"198.51.100.{number}", name, "127.0.0.4") for number in range(5)]
            answers = [ask(balanced, wire, head) for wire, head in zip(wires, heads, strict=True)]
            assert [status for status, _ in answers] == [200] * 4 + [429]
        # A neighbour in the same network is the same client; the proxy's own requests are nobody's.
        assert ask(balanced, wires[0], forwarded("2001:db8::2"))[0] == 429
        assert [ask(balanced, wires[1])[0] for _ in range(8)] == [200] * 8


def test_forwarded_names_of_strangers_are_not_believed(balanced: Bench) -> None:
    with connect_from(balanced, "127.0.0.5") as stranger:
        heads = [forwarded(f"192.0.2.{number}") for number in range(5)]
        assert [ask(balanced, stranger, head)[0] for head in heads] == [200] * 4 + [429]


def test_a_refusal_is_not_kept_as_the_answer(folder: Path) -> None:
    with bench(folder, requests_per_second=1, requests_burst=1) as made:
        client = made.connect()
        unknown = HEAD.replace(b"hello.txt", b"hello.txt?1")
        assert [ask(made, client, head)[0] for head in (HEAD, unknown)] == [200, 429]
        made.pass_time(1.0)
        assert ask(made, client, unknown)[0] == 200


def test_refusals_are_counted_for_all_to_see(folder: Path) -> None:
    with bench(folder, connections_per_client=1, requests_per_second=1, requests_burst=1) as made, ExitStack() as stack:
        board = Board(made.service.counters, 1)
        made.worker._upkeep = made.worker._make_upkeep(board.slot(0))
        inside, *outside = [stack.enter_context(connect_from(made, "127.0.0.2")) for _ in range(4)]
        assert [ask(made, inside)[0] for _ in range(3)] == [200, 429, 429]
        assert all(is_reset(made, client) for client in outside)
        made.worker._upkeep.run(0.0)
        totals = board.totals()
        assert totals["client_refusals"] == {("connection",): 3, ("request",): 2}
        assert sum(count for (_, status), count in totals["requests_worked_out"].items() if status == "429") == 2


def test_refusals_stand_in_the_access_log(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    config = Config(limits=Limits(requests_per_second=1, requests_burst=1), log=Log(access_log=log))
    with Bench(folder, config) as made:
        client = made.connect()
        assert [ask(made, client)[0] for _ in range(2)] == [200, 429]
        made.pass_time(2.0)
        assert re.findall(r'HTTP/1\.1" (\d+) ', log.read_text()) == ["200", "429"]


def test_what_is_answered_by_the_short_way_is_still_known(folder: Path) -> None:
    with bench(folder, requests_per_second=1000, requests_per_connection=1000) as made:
        assert made.worker.answer_known is limiting.answer_known
        client = made.connect()
        assert ask(made, client)[0] == 200
        conn = made.only()

        def never(request: Request, now_s: int) -> Reply:
            raise AssertionError(f"{request} was worked out at {now_s}")

        conn.front = replace(conn.front, answer=never)
        assert [ask(made, client)[0] for _ in range(3)] == [200] * 3
        assert conn.requests == 4
