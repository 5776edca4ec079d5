"""A session that one worker began is resumed by another, and the first record after it has the right number."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import Choice, Fetched, s_client
from tests.support.server import Server
from tests.support.sized_files import make_sized_files
from tests.support.tls_counters import counting
from tests.support.waiting import wait_until

WORKERS = 2
SIZE_BYTES = 100_000
PATH = f"/{SIZE_BYTES}.bin"
# OpenSSL puts out one NewSessionTicket after a resumption instead of two, in TLS 1.2 the handshake has another order.
CHOICES = (Choice("1.3", "AES-128-GCM"), Choice("1.3", "AES-256-GCM"), Choice("1.2", "AES-128-GCM"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("site")
    make_sized_files(root, (SIZE_BYTES,))
    return root


@pytest.fixture(scope="module", params=["kernel", "openssl"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Server]:
    folder, settings = tmp_path_factory.mktemp("server"), {"tls.receive": request.param}
    with Server(folder, root, tls="kernel", workers=WORKERS, settings=settings) as server:
        yield server


def worker_of(server: Server, mark: int, choice: Choice, *, resumed: bool) -> int:
    """Return the worker that logged a handshake since ``mark``."""
    line = rf"worker-\d+\[(\d+)\] .*TLS {choice.version} {choice.suite} .*resumed={resumed} tls=kernel"
    return int(server.wait_for_log(line, since=mark)[1])


def require_file(fetched: Fetched, root: Path) -> None:
    content = (root / PATH.strip("/")).read_bytes()
    assert fetched.files[PATH].sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_another_worker_resumes_the_session(server: Server, root: Path, tmp_path: Path, choice: Choice) -> None:
    session = tmp_path / "session.pem"
    mark = server.log_mark()
    require_file(s_client(server, [PATH], choice, ["-sess_out", str(session)]), root)
    first = worker_of(server, mark, choice, resumed=False)
    # Whoever answers now, it isn't the worker that knows the session.
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: first not in server.worker_pids() and len(server.worker_pids()) == WORKERS, "its successor")
    for _ in range(3):
        mark = server.log_mark()
        with counting() as growth:
            require_file(s_client(server, [PATH, PATH], choice, ["-sess_in", str(session)]), root)
        assert worker_of(server, mark, choice, resumed=True) != first
        assert growth["TlsTxSw"] == 1
        assert growth["TlsDecryptError"] == 0


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_another_machine_with_the_same_ticket_key_resumes_the_session(
    root: Path, tmp_path: Path, choice: Choice
) -> None:
    """There, the first record that the kernel sends has the number that follows that machine's own ticket."""
    key, session = tmp_path / "ticket.key", tmp_path / "session.pem"
    key.touch(0o600)
    key.write_bytes(os.urandom(80))
    settings = {"tls.ticket_keys": [str(key)]}
    with Server(tmp_path / "one", root, tls="kernel", settings=settings) as one:
        require_file(s_client(one, [PATH], choice, ["-sess_out", str(session)]), root)
    with Server(tmp_path / "two", root, tls="kernel", settings=settings) as two:
        mark = two.log_mark()
        with counting() as growth:
            require_file(s_client(two, [PATH, PATH], choice, ["-sess_in", str(session)]), root)
        worker_of(two, mark, choice, resumed=True)
        assert growth["TlsTxSw"] == 1
        assert growth["TlsDecryptError"] == 0
