from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.forked_servers import ForkServer
from tests.support.mutant_server import mutant
from tests.support.server import Server
from tests.support.wire import dialer


@pytest.fixture
def _forks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    forks = ForkServer()
    monkeypatch.setattr(Server, "forks", forks)
    yield
    forks.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    return folder


@pytest.mark.usefixtures("_forks")
def test_servers_run_side_by_side_and_end_by_themselves(tmp_path: Path, root: Path) -> None:
    with (
        Server(tmp_path / "one", root, tls="off") as one,
        Server(tmp_path / "two", root, tls="userspace", program=mutant("control")) as two,
    ):
        assert one.pid != two.pid
        for server in (one, two):
            with dialer(server)() as wire:
                assert wire.get("/file").body == b"content"
        one.stop()
        assert one.process.returncode == 0
        assert two.process.poll() is None


@pytest.mark.usefixtures("_forks")
def test_how_a_server_ended_is_told(tmp_path: Path, root: Path) -> None:
    server = Server(tmp_path / "killed", root, tls="off")
    server.send_signal(signal.SIGKILL)
    assert server.process.wait(30) == -signal.SIGKILL
    with pytest.raises(AssertionError, match="the server ended with status 2"):
        Server(tmp_path / "refused", root, tls="off", settings={"server.nonsense": 1})
