"""Two servers behind HAProxy under load: no request is lost but by kill -9, and then only those under way there."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from ktlsserve.config.file import parse_config
from ktlsserve.observe.access_log import FLUSH_BYTES
from tests.support.haproxy import CONFIGURATION, Haproxy, free_ports
from tests.support.load import Load
from tests.support.pki import Issued, new_authority, write_pair
from tests.support.server import Server
from tests.support.upgrades import Upgrades
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

CONTENT = b"0123456789abcdef" * 64
PROMOTED = "workers serve with the new configuration"
LEAST_REQUESTS = 20_000
# HAProxy itself connects from 127.0.0.1.
CLIENTS = tuple(f"127.0.1.{number}" for number in range(1, 13))


def two_certificates() -> tuple[Issued, Issued]:
    authority = new_authority()
    old, new = (authority.issue("server", ["localhost"], days=(-10_000, 10_000)) for _ in range(2))
    return old, new


def serve(folder: Path, name: str, port: int, root: Path, pair: tuple[Path, Path], level: str = "info") -> Server:
    settings = {
        "tls.certificates": [{"cert": str(pair[0]), "key": str(pair[1])}],
        "server.ready_path": "/readyz",
        "server.drain_pause_s": 2.0,
        "server.proxy_protocol": ["127.0.0.0/8"],
        "log.access_log": str(folder / f"{name}.access.log"),
        "log.access_format": "json",
        "log.level": level,
    }
    return Server(folder / name, root, tls="userspace", workers=2, listen=[f"127.0.0.1:{port}"], settings=settings)


def logged(folder: Path, name: str) -> list[dict[str, object]]:
    """Return the lines of a server's access log."""
    return [json.loads(line) for line in (folder / f"{name}.access.log").read_text().splitlines()]


def clients_of(lines: Iterable[dict[str, object]], path: str) -> Counter[object]:
    return Counter(line["client"] for line in lines if line["request"] == f"GET {path} HTTP/1.1")


def require_logged(folder: Path, names: Iterable[str], *, answered: int) -> None:
    """Find each request in a log by its client's name, but for lines that were in a killed worker's memory."""
    lines = [line for name in names for line in logged(folder, name)]
    asked = clients_of(lines, "/file.bin")
    assert asked.keys() == set(CLIENTS)
    # As compact as the server writes them, and a gathered line more than a flush takes.
    shortest_bytes = min(len(json.dumps(line, separators=(",", ":"))) for line in lines)
    assert asked.total() >= answered - FLUSH_BYTES // shortest_bytes - 1
    assert clients_of(lines, "/readyz").keys() == {"127.0.0.1"}


def test_the_configuration_is_one_that_haproxy_takes(tmp_path: Path) -> None:
    assert Haproxy(tmp_path / "haproxy", 1, (2, 3)).complaints() == ""


def test_what_the_configuration_wants_of_the_server_is_what_is_tested() -> None:
    text = CONFIGURATION.read_text(encoding="utf-8")
    shown = "".join(re.findall(r"^#   (.*\n)", text, re.MULTILINE))
    server = parse_config(shown).server
    assert (server.ready_path, server.drain_pause_s) == ("/readyz", 2.0)
    assert server.proxy_protocol
    checks = re.search(r"inter (\d+)ms fall (\d+)", text)
    assert checks is not None
    assert int(checks[1]) / 1000 * int(checks[2]) < server.drain_pause_s


def test_a_health_check_comes_over_tls_and_names_nobody(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    pair = write_pair(tmp_path, "server", two_certificates()[0])
    port, *backends = free_ports(3)
    with (
        serve(tmp_path, "one", backends[0], root, pair, "debug") as server,
        Haproxy(tmp_path / "haproxy", port, backends) as balancer,
    ):
        balancer.wait_for("one", "UP")
        server.wait_for_log("a PROXY header of version 2 that names nobody")
        check = wait_until(lambda: next(iter(logged(tmp_path, "one")), None), "the check in the access log")
    assert (check["request"], check["client"], check["status"]) == ("GET /readyz HTTP/1.1", "127.0.0.1", 200)
    assert check["tls_version"] == "TLS 1.3"


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
            with Load(("127.0.0.1", port), context, "/file.bin", CONTENT, sources=CLIENTS) as load:
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
            require_logged(tmp_path, names, answered=load.requests.total())
    finally:
        for server in servers.values():
            if server.process.poll() is None:
                server.kill()
