"""``ktlsserve healthcheck`` of real servers: ready, hung, stopping, behind a load balancer, of few clients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.pki import new_authority
from tests.support.server import CHECKOUT, Server
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import dialer

pytestmark = pytest.mark.slow

READY = {"server.ready_path": "/readyz"}


def healthcheck(*arguments: str, **environment: str) -> tuple[int, str]:
    """Return its exit status, and the line that it printed: to one of its streams, by how it went."""
    done = subprocess.run(
        [sys.executable, "-m", "ktlsserve", "healthcheck", *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
        cwd=CHECKOUT,
        env={**os.environ, **environment},
    )
    assert (done.stderr if done.returncode == 0 else done.stdout) == ""
    return done.returncode, done.stdout + done.stderr


def at(server: Server) -> list[str]:
    """Return the arguments that name the file of a server whose port the kernel has chosen, and that port."""
    return ["--config", str(server.config_file), f"127.0.0.1:{server.port}", "--timeout", str(LIMIT_S)]


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_a_server_is_healthy_until_it_stops(tmp_path: Path, tls: str) -> None:
    settings = {**READY, "server.drain_pause_s": 20.0}
    with Server(tmp_path / "server", tmp_path, tls=tls, settings=settings) as server:
        url = f"{server.url}/readyz"
        assert healthcheck(*at(server)) == (0, f"healthy: {url}: 200\n")
        assert healthcheck("--url", url)[0] == 0
        # The file alone has port 0.
        assert healthcheck(KTLSSERVE_CONFIG=str(server.config_file))[0] == 1
        listen = f"127.0.0.1:{server.port}"
        environment = {"KTLSSERVE_CONFIG": str(server.config_file), "KTLSSERVE_LISTEN": listen}
        assert healthcheck(**environment) == (0, f"healthy: {url}: 200\n")
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("SIGTERM: accepting")
        said = wait_until(lambda: red(at(server)), "a server that stops to be unhealthy")
        assert said == f"not healthy: {url}: 404 stopping\n"
        server.send_signal(signal.SIGINT)
        server.wait()
        status, said = healthcheck(*at(server))
        assert (status, said) == (1, f"not healthy: {url}: Connection refused\n")


def red(arguments: list[str]) -> str:
    status, said = healthcheck(*arguments)
    return said if status else ""


def test_a_worker_that_hangs_is_unhealthy(tmp_path: Path) -> None:
    settings = {**READY, "server.hang_s": 0.0}
    with Server(tmp_path / "server", tmp_path, settings=settings) as server:
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGSTOP)
        wait_until(lambda: processes.is_stopped(worker), "SIGSTOP")
        try:
            status, said = healthcheck(*at(server)[:-2], "--timeout", "0.5")
        finally:
            os.kill(worker, signal.SIGCONT)
        assert (status, said) == (1, f"not healthy: {server.url}/readyz: no answer within 0.5 s\n")
        assert healthcheck(*at(server))[0] == 0


def test_without_a_ready_path_any_answer_will_do(tmp_path: Path) -> None:
    """The folder is empty: 404 is what clients get, too."""
    with Server(tmp_path / "server", tmp_path) as server:
        assert healthcheck(*at(server)) == (0, f"healthy: {server.url}/: 404\n")
        assert healthcheck("--url", f"{server.url}/") == (1, f"not healthy: {server.url}/: 404 Not Found\n")


def test_the_admin_endpoint_is_asked_where_there_is_no_ready_path(tmp_path: Path) -> None:
    with Server(tmp_path / "server", tmp_path, settings={"admin.listen": ["127.0.0.1:0"]}) as server:
        line = next(line for line in server.output().splitlines() if line.endswith(" admin"))
        address = line.split("//")[1].split()[0]
        status, said = healthcheck("--config", str(server.config_file), KTLSSERVE_ADMIN=address)
        assert (status, said) == (0, f"healthy: http://{address}/readyz: 200\n")


def test_where_clients_come_by_a_load_balancer_it_says_that_it_is_none(tmp_path: Path) -> None:
    settings = {**READY, "server.proxy_protocol": ["127.0.0.0/8"]}
    with Server(tmp_path / "server", tmp_path, settings=settings) as server:
        assert healthcheck(*at(server)) == (0, f"healthy: {server.url}/readyz: 200\n")
        # Without knowing of the load balancer it sends no header, and is refused.
        assert healthcheck("--url", f"{server.url}/readyz")[0] == 1
    settings["server.proxy_protocol"] = ["192.0.2.0/24"]
    with Server(tmp_path / "other", tmp_path, settings=settings) as server:
        assert healthcheck(*at(server))[0] == 0


def test_a_server_that_wants_a_certificate_is_healthy_if_it_says_so(tmp_path: Path) -> None:
    authority = tmp_path / "ca.pem"
    authority.write_bytes(new_authority().pem)
    settings = {**READY, "tls.client_auth": "required", "tls.client_ca": str(authority)}
    with Server(tmp_path / "server", tmp_path, tls="userspace", settings=settings) as server:
        said = (0, f"healthy: {server.url}/readyz: a client certificate is required\n")
        assert healthcheck(*at(server)) == said


def test_its_questions_leave_nothing_behind(tmp_path: Path) -> None:
    with Server(tmp_path / "server", tmp_path, settings=READY) as server:
        (tmp_path / "hello.txt").write_bytes(b"hello")
        before = server.sockets()
        for _ in range(3):
            assert healthcheck(*at(server))[0] == 0
        wait_until(lambda: server.sockets() == before, "its connections' end")
        with dialer(server)() as wire:
            assert wire.get("/hello.txt").body == b"hello"
