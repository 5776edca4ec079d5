"""Two servers behind HAProxy under load: no request is lost but by kill -9, and then only those under way there."""

from __future__ import annotations

import os
import signal
import ssl
from pathlib import Path

import pytest

from tests.support.haproxy import Haproxy, free_ports
from tests.support.load import Load
from tests.support.pki import Issued, new_authority, write_pair
from tests.support.server import Server
from tests.support.upgrades import Upgrades
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CONTENT = b"0123456789abcdef" * 64
PROMOTED = "workers serve with the new configuration"
LEAST_REQUESTS = 20_000


def two_certificates() -> tuple[Issued, Issued]:
    authority = new_authority()
    old, new = (authority.issue("server", ["localhost"], days=(-10_000, 10_000)) for _ in range(2))
    return old, new


def serve(folder: Path, name: str, port: int, root: Path, pair: tuple[Path, Path]) -> Server:
    settings = {
        "tls.certificates": [{"cert": str(pair[0]), "key": str(pair[1])}],
        "server.ready_path": "/readyz",
        "server.drain_pause_s": 2.0,
        "log.level": "info",
    }
    return Server(folder / name, root, tls="userspace", workers=2, listen=[f"127.0.0.1:{port}"], settings=settings)


def test_the_configuration_is_one_that_haproxy_takes(tmp_path: Path) -> None:
    assert Haproxy(tmp_path / "haproxy", 1, (2, 3)).complaints() == ""


def test_nothing_is_lost_by_restarts_reloads_and_upgrades(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "file.bin").write_bytes(CONTENT)
    old, new = two_certificates()
    # Each is trusted by itself: their authority is from a time that tests choose.
    context = ssl.create_default_context(cadata=(old.pem + new.pem).decode())
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    pair = write_pair(tmp_path, "server", old)
    port, *backends = free_ports(3)
    names = ("one", "two")
    servers = {n: serve(tmp_path, n, p, root, pair) for n, p in zip(names, backends, strict=True)}
    try:
        with Haproxy(tmp_path / "haproxy", port, backends) as balancer:
            for name in names:
                balancer.wait_for(name, "UP")
            with Load(("127.0.0.1", port), context, "/file.bin", CONTENT) as load:
                load.enter("calm", requests=1000)
                load.enter("rolling restart")
                for name, backend in zip(names, backends, strict=True):
                    servers[name].stop()
                    servers[name] = serve(tmp_path, name, backend, root, pair)
                    balancer.wait_for(name, "UP")
                load.enter("reload", requests=100)
                for server in servers.values():
                    mark = server.log_mark()
                    server.send_signal(signal.SIGHUP)
                    server.wait_for_log(PROMOTED, since=mark)
                load.enter("new certificate", requests=100)
                marks = {name: server.log_mark() for name, server in servers.items()}
                write_pair(tmp_path, "server", new)
                for name, server in servers.items():
                    server.wait_for_log(PROMOTED, since=marks[name])
                # Those that retired have nothing left to do soon: then whoever is killed is one that serves.
                wait_until(lambda: len(servers["one"].worker_pids()) == 2, "the end of the old workers")
                load.enter("kill -9", requests=100)
                os.kill(servers["one"].worker_pids()[0], signal.SIGKILL)
                servers["one"].wait_for_log("ended: killed by SIGKILL; it is replaced")
                load.enter("upgrade", requests=500)
                with Upgrades(servers["one"]) as first, Upgrades(servers["two"]) as second:
                    for line in (first, second):
                        line.upgrade()
                        line.server.wait(0)
                    load.enter("afterwards", requests=max(1000, LEAST_REQUESTS - load.requests.total()))
                    load.finish()
            print(f"requests: {dict(load.requests)}; failures: {dict(load.failures)}")
            killed = load.failures.pop("kill -9", 0)
            assert load.failures == {}, "\n".join(load.reasons)
            # What was under way in one of four workers; each client notices once at most.
            assert killed <= load.clients
            assert load.requests.total() >= LEAST_REQUESTS
    finally:
        for server in servers.values():
            if server.process.poll() is None:
                server.kill()
