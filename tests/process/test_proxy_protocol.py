"""Behind a load balancer that names its clients: by curl, which can speak for one, and by a client of our own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.proxy_headers import LOCAL, pack_v1, pack_v2
from tests.support.server import Server
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import End, TlsWire, Wire, client_context, request

pytestmark = pytest.mark.slow

CLIENT = "203.0.113.9"
PROXY = "198.51.100.7"
HEADERS = {"version 1": pack_v1(CLIENT, 50000), "version 2": pack_v2(CLIENT, 50000)}


@pytest.fixture(scope="module", params=["off", "userspace"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    with Server(
        folder,
        tree,
        tls=request.param,
        listen=("127.0.0.1:0", "[::1]:0"),
        # Only the first listener's clients come from there.
        arguments=["--proxy-protocol", "127.0.0.0/8", "--access-log", str(folder / "access.log")],
        settings={"log.access_format": "json", "timeouts.handshake_s": 1.0, "http.forwarded_from": [PROXY]},
    ) as running:
        yield running


def logged(server: Server) -> list[dict[str, object]]:
    """Return the lines of the access log."""
    return [json.loads(line) for line in (server.folder / "access.log").read_text().splitlines()]


def await_line(server: Server, path: str) -> dict[str, object]:
    """Wait until the request of ``path`` is logged."""
    return wait_until(
        lambda: next((line for line in logged(server) if f" {path} " in str(line["request"])), None), path
    )


def dial(server: Server, pieces: Iterable[bytes], listener: int = 0) -> Wire:
    """Connect, send the header in pieces, and be ready for a request."""
    line = server.listening()[listener]
    address = (line.host.strip("[]"), line.port)
    tls = TlsWire(address, client_context(server), shake_hands=False) if line.scheme == "https" else None
    wire = tls or Wire(address)
    for piece in pieces:
        wire.sock.sendall(piece)
    if tls is not None:
        tls.shake_hands()
    return wire


@pytest.mark.parametrize("header", HEADERS)
def test_the_client_is_the_one_in_the_header(server: Server, header: str) -> None:
    path = f"/hello.txt?{header[-1]}"
    with dial(server, [HEADERS[header]]) as wire:
        assert wire.get(path).status == 200
        assert wire.get(f"{path}again").status == 200
    assert await_line(server, path)["client"] == CLIENT
    assert await_line(server, f"{path}again")["client"] == CLIENT
    server.wait_for_log(rf"{CLIENT}:50000: connected to 198\.51\.100\.1:443, by way of {wire.name}")


def test_curl_speaks_for_itself(server: Server) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl isn't installed")
    command = ["curl", "--silent", "--show-error", "--cacert", str(server.ca_file), "--haproxy-protocol"]
    command += ["--max-time", str(LIMIT_S), f"{server.url}/hello.txt?curl"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=2 * LIMIT_S)
    assert (done.returncode, done.stderr) == (0, b"")
    assert await_line(server, "/hello.txt?curl")["client"] == "127.0.0.1"
    server.wait_for_log(r"127\.0\.0\.1:\d+: connected to 127\.0\.0\.1:\d+, by way of 127\.0\.0\.1:")


def test_a_health_check_is_answered(server: Server) -> None:
    with dial(server, [LOCAL]) as wire:
        assert wire.get("/hello.txt?check").status == 200
    assert await_line(server, "/hello.txt?check")["client"] == "127.0.0.1"


def test_who_is_named_and_sends_none_is_closed(server: Server) -> None:
    with Wire(server.address) as wire:
        wire.send(request("/hello.txt"))
        assert wire.read_to_end() == b""
        assert wire.end is End.RESET
    server.wait_for_log(rf"{wire.name}: connection refused: no PROXY header")


def test_who_is_named_and_says_nothing_is_closed(server: Server) -> None:
    with Wire(server.address) as wire:
        assert wire.read_to_end() == b""
        assert wire.end is End.RESET
    server.wait_for_log(rf"{wire.name}: handshake timeout in state PROXY_HEADER")


def test_others_are_served_without_a_header(server: Server) -> None:
    with dial(server, [], listener=1) as wire:
        assert wire.get("/hello.txt?other").status == 200
    assert await_line(server, "/hello.txt?other")["client"] == "::1"


@pytest.mark.parametrize("header", HEADERS)
def test_others_may_not_send_one(server: Server, header: str) -> None:
    line = server.listening()[1]
    with Wire((line.host.strip("[]"), line.port)) as wire:
        wire.send(HEADERS[header] + request("/hello.txt"))
        answer = wire.read_to_end()
    if line.scheme == "http":
        assert answer.startswith(b"HTTP/1.1 400 ")
    else:
        assert answer == b""
        server.wait_for_log("a PROXY header where server.proxy_protocol expects none")


@pytest.mark.parametrize("header", HEADERS)
def test_the_header_may_come_byte_by_byte(server: Server, header: str) -> None:
    with dial(server, [bytes((byte,)) for byte in HEADERS[header]]) as wire:
        assert wire.get("/hello.txt").status == 200


def test_a_proxy_behind_the_balancer_is_believed_about_its_clients(server: Server) -> None:
    """Who is believed is decided by the address in the header, not by the balancer's."""
    path = "/hello.txt?forwarded"
    with dial(server, [pack_v2(PROXY, 1)]) as wire:
        for name in ("2001:db8::1", "192.0.2.1"):
            field = f"X-Forwarded-For: 192.0.2.66, {name}"
            assert wire.get(f"{path}-{name}", field).status == 200
            # From the memo, too.
            assert wire.get(f"{path}-{name}", field).status == 200
    with dial(server, [HEADERS["version 1"]]) as wire:
        assert wire.get(f"{path}-made-up", "X-Forwarded-For: 192.0.2.66").status == 200
    assert await_line(server, f"{path}-made-up")["client"] == CLIENT
    for name in ("2001:db8::1", "192.0.2.1"):
        lines = [line["client"] for line in logged(server) if f" {path}-{name} " in str(line["request"])]
        assert lines == [name, name]


def test_a_listener_that_redirects_wants_headers_too(tmp_path: Path, tree: Path) -> None:
    settings = {"server.proxy_protocol": ["127.0.0.0/8"], "redirect.listen": ["127.0.0.2:0"]}
    with Server(tmp_path / "server", tree, tls="userspace", settings=settings) as server:
        port = wait_until(lambda: re.search(r"http://127\.0\.0\.2:(\d+) ", server.output()), "the redirect's listener")[
            1
        ]
        with Wire(("127.0.0.2", int(port))) as wire:
            wire.send(HEADERS["version 2"])
            assert wire.get("/hello.txt").status == 308
        with Wire(("127.0.0.2", int(port))) as wire:
            wire.send(request("/hello.txt"))
            assert wire.read_to_end() == b""
            assert wire.end is End.RESET
