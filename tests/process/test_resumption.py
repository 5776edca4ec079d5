"""Sessions: what one worker began any other resumes, because all seal tickets with the same keys."""

from __future__ import annotations

import os
import re
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import TlsWire, client_context

pytestmark = pytest.mark.slow

WORKERS = 3
# Which of them gets a connection is the kernel's choice; that one is never chosen among so many is not to be expected.
MOST_CONNECTIONS = 500
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server"), tree, tls="userspace", workers=WORKERS) as running:
        yield running


def connect(server: Server, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[int, ssl.SSLSession]:
    """Make a request over a new connection; return the worker that served it, and the session to resume."""
    with TlsWire(server.address, context, session=session) as wire:
        # In TLS 1.3 the tickets come in front of the response.
        assert wire.get("/hello.txt").status == 200
        assert wire.tls.session_reused == (session is not None)
        line = rf"\[(\d+)\] worker\.handshaking: {re.escape(wire.name)}: .* resumed={wire.tls.session_reused} "
        worker = int(server.wait_for_log(line)[1])
        assert wire.tls.session is not None
        return worker, wire.tls.session


def context_of(server: Server, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = client_context(server)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
def test_another_worker_resumes_the_session_of_one(server: Server, version: ssl.TLSVersion) -> None:
    """Which of the idle workers the kernel wakes is up to it: it may pass one of three over again and again."""
    context = context_of(server, version)
    origin, session = connect(server, context, None)
    resumed_by: set[int] = set()
    for _ in range(MOST_CONNECTIONS):
        resumed_by.add(connect(server, context, session)[0])
        if resumed_by - {origin}:
            break
    assert resumed_by - {origin}
    assert resumed_by <= set(server.worker_pids())


@pytest.mark.parametrize("version", VERSIONS, ids=["1.2", "1.3"])
def test_a_worker_forked_later_resumes_it_too(tmp_path: Path, tree: Path, version: ssl.TLSVersion) -> None:
    with Server(tmp_path / "server", tree, tls="userspace") as server:
        context = context_of(server, version)
        first, session = connect(server, context, None)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: server.worker_pids() not in ([], [first]), "the successor")
        second, session = connect(server, context, session)
        assert second != first
        # A ticket that a resumption has brought is as good.
        assert connect(server, context, session)[0] == second
