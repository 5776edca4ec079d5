"""What a process inherits; descriptors that a service manager really passes are in tests/process/test_activation.py."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ktlsserve.address import Address
from ktlsserve.config import Config
from ktlsserve.errors import StartupError
from ktlsserve.supervisor import inherited
from ktlsserve.supervisor.inherited import UPGRADE, Inherited, take_inherited


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as sock:
        yield sock


def passed(sock: socket.socket, monkeypatch: pytest.MonkeyPatch, **others: str) -> dict[str, str]:
    """Return the variables that pass one socket, whose descriptor counts as the first."""
    fd = os.dup(sock.fileno())
    os.set_inheritable(fd, True)
    monkeypatch.setattr(inherited, "_FIRST_FD", fd)
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", **others}


def test_nothing_is_inherited_and_nothing_changes() -> None:
    assert take_inherited({}) == Inherited()
    config = Config()
    assert Inherited().applied_to(config) is config
    assert Inherited().announce() == Inherited()


@pytest.mark.parametrize("names", ["", "web"])
def test_systemds_sockets_take_the_place_of_the_configurations(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, names: str
) -> None:
    environ = passed(listening, monkeypatch, LISTEN_FDNAMES=names, OTHER="x")
    taken = take_inherited(environ)
    assert environ == {"OTHER": "x"}
    (listener,) = taken.listeners
    host, port = listening.getsockname()
    assert (listener.asked, listener.bound) == (Address(host, port), f"{host}:{port}")
    assert not listener.sock.get_inheritable()
    assert not listener.sock.getblocking()
    config = taken.applied_to(Config())
    assert (config.server.listen, config.redirect.listen) == ((Address(host, port),), ())
    listener.sock.close()


def test_a_socket_for_the_redirect(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = take_inherited(passed(listening, monkeypatch, LISTEN_FDNAMES="redirect"))
    config = taken.applied_to(Config())
    assert config.server.listen == Config().server.listen
    assert config.redirect.listen == (Address(*listening.getsockname()),)
    taken.listeners[0].sock.close()


def test_a_socket_may_be_the_admin_endpoints(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = take_inherited(passed(listening, monkeypatch, LISTEN_FDNAMES="admin"))
    assert taken.listeners == ()
    (listener,) = taken.admin
    config = taken.applied_to(Config())
    assert (config.server.listen, config.redirect.listen) == (Config().server.listen, ())
    assert config.admin.listen == (listener.asked,) == (Address(*listening.getsockname()),)
    listener.sock.close()


@pytest.mark.parametrize("changes", [{"LISTEN_PID": "1"}, {"LISTEN_PID": ""}, {"LISTEN_FDS": "x"}, {"LISTEN_FDS": ""}])
def test_what_is_meant_for_another_is_left_alone(
    listening: socket.socket, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str]
) -> None:
    environ = passed(listening, monkeypatch) | changes
    assert take_inherited(environ) == Inherited()
    assert environ == {}
    os.close(inherited._FIRST_FD)


def test_no_socket_that_listens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with closing(socket.socket()) as idle:
        environ = passed(idle, monkeypatch, LISTEN_FDNAMES="web")
        with pytest.raises(
            StartupError, match=r"the socket web that systemd passes .* isn't a TCP socket that listens"
        ):
            take_inherited(environ)
        os.close(inherited._FIRST_FD)
    with (tmp_path / "file").open("wb") as file:
        monkeypatch.setattr(inherited, "_FIRST_FD", file.fileno())
        with pytest.raises(StartupError, match=r"the socket 0 that systemd passes \(descriptor \d+\) is no socket"):
            take_inherited({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})


def handed(listening: socket.socket, announce: int, **changes: object) -> dict[str, str]:
    fd = os.dup(listening.fileno())
    parts = {
        "predecessor": os.getppid(),
        "announce": announce,
        "listeners": [[fd, "localhost:0"]],
        "admin": [],
        "serving": [],
        "redirecting": ["127.0.0.1:80"],
        "administering": [],
    }
    return {UPGRADE: json.dumps(parts | changes)}


def test_a_predecessors_sockets_keep_what_they_were_asked_for(listening: socket.socket) -> None:
    reader, writer = os.pipe()
    taken = take_inherited(handed(listening, writer))
    (listener,) = taken.listeners
    assert listener.asked == Address("localhost", 0)
    assert listener.bound == f"127.0.0.1:{listening.getsockname()[1]}"
    assert (taken.serving, taken.redirecting) == ((), (Address("127.0.0.1", 80),))
    told = taken.announce()
    assert told.announce_fd == -1
    assert os.read(reader, 16) == b"\n"
    assert os.read(reader, 16) == b""
    os.close(reader)
    listener.sock.close()


def test_a_predecessors_endpoint_keeps_its_socket(listening: socket.socket) -> None:
    reader, writer = os.pipe()
    fd = os.dup(listening.fileno())
    taken = take_inherited(
        handed(listening, writer, listeners=[], admin=[[fd, "localhost:9000"]], administering=["127.0.0.1:9000"])
    )
    assert taken.listeners == ()
    assert [listener.asked for listener in taken.admin] == [Address("localhost", 9000)]
    assert taken.administering == (Address("127.0.0.1", 9000),)
    taken.admin[0].sock.close()
    taken.announce()
    os.close(reader)


def test_a_predecessor_that_is_gone_need_not_be_told(listening: socket.socket) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    taken = take_inherited(handed(listening, writer))
    assert taken.announce().announce_fd == -1
    taken.listeners[0].sock.close()


def test_a_variable_that_another_program_kept_means_nothing(listening: socket.socket) -> None:
    assert take_inherited({UPGRADE: json.dumps({"predecessor": 1 if os.getppid() != 1 else 2})}) == Inherited()


@pytest.mark.parametrize("text", ["", "{}", "[]", json.dumps({"predecessor": os.getppid()}), "7"])
def test_a_variable_that_is_not_ours_is_told(text: str) -> None:
    with pytest.raises(StartupError, match=f"{UPGRADE} isn't what a predecessor says: .*; unset it"):
        take_inherited({UPGRADE: text})
