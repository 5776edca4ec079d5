"""How many system calls a request takes, counted by strace: a number that may only fall."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.content_tags import tag_of
from tests.support.programs import find_program
from tests.support.server import Server
from tests.support.site_tree import make_site_tree
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import TlsWire, client_context, dialer

pytestmark = pytest.mark.slow

REQUESTS = 100
HANDSHAKES = 60
# A timer that passes costs a turn of the loop now and then.
SLACK = 8


@contextmanager
def counted_calls(pid: int, folder: Path) -> Iterator[Counter[str]]:
    """Count the system calls of a process within the block; what is counted is there after it."""
    strace = find_program("strace")
    output, said = folder / "calls", folder / "said"
    with said.open("wb") as stderr:
        tracer = subprocess.Popen([strace, "-p", str(pid), "-o", str(output)], stderr=stderr)
    calls: Counter[str] = Counter()
    try:
        wait_until(lambda: b"attached" in said.read_bytes() or tracer.poll() is not None, "strace")
        if tracer.poll() is not None:
            pytest.skip(f"strace can't attach here: {said.read_text().strip()}")
        yield calls
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(LIMIT_S)
    calls.update(re.findall(r"^(\w+)\(", output.read_text(), re.MULTILINE))


@pytest.mark.parametrize("etags", ["content", "sidecar"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/hello.txt", {"epoll_wait": 1, "recvfrom": 1, "sendto": 1}),
        ("/big.bin", {"epoll_wait": 1, "recvfrom": 1, "sendto": 1, "sendfile": 1}),
    ],
)
def test_an_entity_tag_of_the_content_costs_nothing_once_it_is_known(
    tmp_path: Path, etags: str, path: str, expected: dict[str, int]
) -> None:
    # What strace writes must not lie beneath it: each line would be a notice of a change.
    tree = tmp_path / "tree"
    tree.mkdir()
    make_site_tree(tree)
    if etags == "sidecar":
        for name in ("hello.txt", "big.bin"):
            (tree / f"{name}.etag").write_bytes(tag_of((tree / name).read_bytes()))
            os.utime(tree / f"{name}.etag", ns=(1, (tree / name).stat().st_mtime_ns))
    settings: dict[str, object] = {"log.level": "info", "defaults.etags": etags}
    with Server(tmp_path / "server", tree, tls="off", settings=settings) as server, dialer(server)() as wire:
        (worker,) = server.worker_pids()
        for _ in range(3):
            wire.get(path)
        etag = tag_of((tree / path[1:]).read_bytes()).decode()
        with counted_calls(worker, tmp_path) as calls:
            for number in range(REQUESTS):
                response = wire.get(path)
                assert response.status == 200, number
                assert response.values(b"ETag") == [etag.encode()], number
        assert {name for name, count in calls.items() if count > SLACK} == expected.keys()
        assert {name: round(calls[name] / REQUESTS) for name in expected} == expected, calls
        # Another head, for which a reply is worked out anew: what is known of the file isn't asked for again.
        with counted_calls(worker, tmp_path) as calls:
            assert wire.get(path, f'If-None-Match: "x", {etag}').status == 304
        assert calls.keys() <= {"epoll_wait", "recvfrom", "sendto"}, calls


@pytest.mark.parametrize(
    ("tls", "path", "expected"),
    [
        ("off", "/hello.txt", {"epoll_wait": 1, "recvfrom": 1, "sendto": 1}),
        ("off", "/big.bin", {"epoll_wait": 1, "recvfrom": 1, "sendto": 1, "sendfile": 1}),
        ("userspace", "/hello.txt", {"epoll_wait": 1, "recvfrom": 1, "sendto": 1}),
        ("userspace", "/big.bin", {"epoll_wait": 1, "recvfrom": 1, "sendto": 1, "preadv2": 1}),
    ],
)
def test_a_request_on_a_connection_that_is_kept(
    tmp_path: Path, tree: Path, tls: str, path: str, expected: dict[str, int]
) -> None:
    with Server(tmp_path / "server", tree, tls=tls, settings={"log.level": "info"}) as server, dialer(server)() as wire:
        (worker,) = server.worker_pids()
        for _ in range(3):
            assert wire.get(path).status == 200
        with counted_calls(worker, tmp_path) as calls:
            for _ in range(REQUESTS):
                assert wire.get(path).status == 200
    assert {name for name, count in calls.items() if count > SLACK} == expected.keys()
    assert {name: round(calls[name] / REQUESTS) for name in expected} == expected, calls


@pytest.mark.parametrize(
    "path", ["/app.js", "/stale.txt", "/hello.txt"], ids=["sibling", "stale sibling", "no sibling"]
)
def test_siblings_cost_nothing_once_they_are_known(tmp_path: Path, tree: Path, path: str) -> None:
    settings = {"log.level": "info", "defaults.precompressed": ["br", "zstd", "gzip"]}
    accepts = "Accept-Encoding: gzip, br, zstd"
    expected = {"epoll_wait": 1, "recvfrom": 1, "sendto": 1}
    with Server(tmp_path / "server", tree, tls="off", settings=settings) as server, dialer(server)() as wire:
        (worker,) = server.worker_pids()
        for _ in range(3):
            assert wire.get(path, accepts).status == 200
        with counted_calls(worker, tmp_path) as calls:
            for _ in range(REQUESTS):
                assert wire.get(path, accepts).status == 200
    assert {name for name, count in calls.items() if count > SLACK} == expected.keys()
    assert {name: round(calls[name] / REQUESTS) for name in expected} == expected, calls


@pytest.mark.parametrize("resumed", [False, True])
def test_a_connection_with_nothing_but_its_handshake(tmp_path: Path, tree: Path, resumed: bool) -> None:
    """Accepted with one call (the other two are Python's own), watched with one, and read and answered twice."""
    expected = {
        "accept4": 1,
        "getsockname": 1,
        "ioctl": 1,
        "epoll_ctl": 1,
        # ClientHello; Finished; close_notify.
        "recvfrom": 3,
        # The server's flight; tickets; close_notify.
        "sendto": 3,
        # The end of the client's stream.
        "shutdown": 1,
        "recvmsg": 1,
        "close": 1,
    }
    with Server(tmp_path / "server", tree, tls="userspace", settings={"log.level": "info"}) as server:
        (worker,) = server.worker_pids()
        context = client_context(server)
        with TlsWire(server.address, context) as wire:
            # The tickets come in front of the response.
            assert wire.get("/hello.txt").status == 200
            session = wire.tls.session if resumed else None
        with counted_calls(worker, tmp_path) as calls:
            for _ in range(HANDSHAKES):
                shake_hands(server, context, session)
    # OpenSSL asks whose process it is in whenever it draws random numbers.
    del calls["getpid"]
    # A turn for each of what comes in; the end of a stream may come with the next connection.
    assert 4 <= round(calls.pop("epoll_wait") / HANDSHAKES) <= 5
    assert {name for name, count in calls.items() if count > SLACK} == expected.keys()
    assert {name: round(calls[name] / HANDSHAKES) for name in expected} == expected, calls


def shake_hands(server: Server, context: ssl.SSLContext, session: ssl.SSLSession | None) -> None:
    """Make a handshake, and end the connection in order."""
    with (
        socket.create_connection(server.address, LIMIT_S) as sock,
        context.wrap_socket(sock, server_hostname="localhost", session=session) as tls,
    ):
        assert tls.session_reused == (session is not None)
        tls.unwrap()
