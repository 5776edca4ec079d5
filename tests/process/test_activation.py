"""Sockets that systemd has bound: by a launcher that does what it does, and by its own program for trying that."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.downloads import HELLO, make_download_root
from tests.support.programs import find_program
from tests.support.server import Server
from tests.support.upgrades import Upgrades
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import dialer, request

pytestmark = pytest.mark.slow

# What systemd does (sd_listen_fds(3)): descriptors from 3 on, in variables which process they are for, how many, and
# how they are called. The sockets are inherited from the test.
LAUNCHER = """
import os, sys
fds, names, *sys.argv[1:] = sys.argv[1:]
fds = [os.dup(int(fd)) for fd in fds.split(",")]
high = [os.dup2(fd, 100 + number) for number, fd in enumerate(fds)]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names)
os.execv(sys.executable, [sys.executable, "-m", "ktlsserve", *sys.argv[1:]])
"""
BY_SYSTEMD = """
import os, sys
port, *sys.argv[1:] = sys.argv[1:]
path = f"PYTHONPATH={os.environ['PYTHONPATH']}"
command = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}", "-E", path]
os.execvp(command[0], [*command, sys.executable, "-m", "ktlsserve", *sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Two sockets that listen, as systemd holds them while the server is up, down or in between."""
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    yield made
    for sock in made:
        sock.close()


def activated(tmp_path: Path, root: Path, sockets: list[socket.socket], names: str, **options: object) -> Server:
    for sock in sockets:
        sock.set_inheritable(True)
    fds = ",".join(str(sock.fileno()) for sock in sockets)
    return Server(
        tmp_path,
        root,
        tls="off",
        program=("-c", LAUNCHER, fds, names),
        inherit=tuple(sock.fileno() for sock in sockets),
        **options,  # type: ignore[arg-type]
    )


def ports(server: Server) -> list[int]:
    return [line.port for line in server.listening()]


def test_they_take_the_place_of_those_in_the_configuration(
    tmp_path: Path, root: Path, sockets: list[socket.socket]
) -> None:
    wanted = [sock.getsockname()[1] for sock in sockets]
    with activated(tmp_path / "server", root, sockets, "web:web", listen=["192.0.2.1:443"]) as server:
        assert ports(server) == wanted
        for listener in (0, 1):
            with dialer(server, listener=listener)() as wire:
                assert wire.get("/hello.txt").body == HELLO
        # So they do after a reload.
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("workers serve with the new configuration")
        with dialer(server)() as wire:
            assert wire.get("/hello.txt").body == HELLO
        assert ports(server) == wanted


def test_nobody_is_refused_while_it_restarts(tmp_path: Path, root: Path, sockets: list[socket.socket]) -> None:
    with activated(tmp_path / "first", root, sockets, "") as server:
        address = server.address
    with socket.create_connection(address, timeout=LIMIT_S) as early:
        early.sendall(request("/hello.txt"))
        with activated(tmp_path / "second", root, sockets, ""):
            received = b""
            while HELLO not in received:
                data = early.recv(65536)
                assert data
                received += data
            early.close()


def test_a_socket_called_redirect_redirects(tmp_path: Path, root: Path, sockets: list[socket.socket]) -> None:
    with activated(tmp_path / "server", root, sockets, "web:redirect") as server:
        with socket.create_connection(sockets[1].getsockname(), timeout=LIMIT_S) as client:
            client.sendall(request("/hello.txt", "Connection: close"))
            assert client.recv(65536).startswith(b"HTTP/1.1 308 ")
        with dialer(server)() as wire:
            assert wire.get("/hello.txt").body == HELLO


def test_a_successor_has_them_too(tmp_path: Path, root: Path, sockets: list[socket.socket]) -> None:
    wanted = [sock.getsockname()[1] for sock in sockets]
    with activated(tmp_path / "server", root, sockets, "web:web") as server, Upgrades(server) as line:
        line.upgrade()
        server.wait(0)
        assert ports(server) == wanted * 2
        with dialer(server)() as wire:
            assert wire.get("/hello.txt").body == HELLO


def test_what_can_not_be_served_on_is_told(tmp_path: Path, root: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "socket"))
        sock.listen()
        with pytest.raises(AssertionError, match=r"status 3:\n.*the socket web that systemd passes .* isn't a TCP"):
            activated(tmp_path / "server", root, [sock], "web")


def test_started_by_systemds_own_program(tmp_path: Path, root: Path) -> None:
    # Of the same package.
    find_program("systemd-analyze")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    received = []

    def ask() -> None:
        """Connect, which is what has the program start the server."""
        with wait_until(lambda: connected(port), "a listener") as client:
            client.sendall(request("/hello.txt", "Connection: close"))
            while data := client.recv(65536):
                received.append(data)

    asking = threading.Thread(target=ask)
    asking.start()
    with Server(tmp_path / "server", root, tls="off", program=("-c", BY_SYSTEMD, str(port))) as server:
        asking.join(LIMIT_S)
        assert b"".join(received).endswith(HELLO)
        assert ports(server) == [port]
        assert len(processes.children(server.pid)) == 1


def connected(port: int) -> socket.socket | None:
    try:
        return socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
    except ConnectionRefusedError:
        return None
