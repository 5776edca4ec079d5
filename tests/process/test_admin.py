"""The admin endpoint of a real server: what it tells is so, whatever dies or is reloaded meanwhile."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.admin_client import AdminClient
from tests.support.downloads import HELLO, LARGE_BYTES, begin_download, make_download_root, require_whole
from tests.support.server import Server
from tests.support.waiting import wait_until
from tests.support.wire import dialer

pytestmark = pytest.mark.slow

ADMIN = ("--admin", "127.0.0.1:0")
PROMOTED = "workers serve with the new configuration"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("root"))


def ask_hello(server: Server, times: int = 1) -> None:
    """Fetch hello.txt, each time over a connection of its own."""
    for _ in range(times):
        with dialer(server)() as wire:
            assert wire.get("/hello.txt", "Connection: close").body == HELLO
            assert wire.read_to_end() == b""


def requests(admin: AdminClient) -> int:
    total: int = admin.status()["requests"]["total"]
    return total


def reload_server(server: Server) -> None:
    mark = server.log_mark()
    server.send_signal(signal.SIGHUP)
    server.wait_for_log(PROMOTED, since=mark)


def test_without_the_option_there_is_none(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off") as server:
        assert len(server.output().splitlines()) == 1
        assert len(processes.children(server.pid)) == 1


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_what_was_served_is_told(tmp_path: Path, root: Path, tls: str) -> None:
    with Server(tmp_path / "server", root, tls=tls, workers=2, arguments=ADMIN) as server:
        admin = AdminClient(server)
        assert [admin.ask(path) for path in ("/healthz", "/readyz")] == [(200, "ok\n"), (200, "ready\n")]
        ask_hello(server, 3)
        with begin_download(server, "/large.bin") as download:
            wait_until(lambda: requests(admin) == 4, "4 requests")
            assert admin.status()["connections"][tls] == 1
            download.half_close()
            require_whole(download)
        wait_until(lambda: admin.status()["connections"][tls] == 0, "the end of the connections")
        sent = "userspace" if tls == "userspace" else "sendfile"
        assert admin.metric("ktlsserve_sent_bytes_total", path=sent, tls=tls) >= LARGE_BYTES
        assert admin.metric("ktlsserve_http_requests_total", site="default", status="200") == 4
        assert admin.metric("ktlsserve_tls_handshakes_total") == (4 if tls == "userspace" else 0)
        assert admin.metric("ktlsserve_certificate_expiry_timestamp_seconds") > 0 or tls == "off"
        assert admin.metric("ktlsserve_workers", stage="serving") == 2
        assert "<title>ktlsserve: ready</title>" in admin.ask("/")[1]


def test_a_worker_that_dies_takes_no_count_with_it(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", arguments=ADMIN) as server:
        admin = AdminClient(server)
        ask_hello(server, 5)
        wait_until(lambda: requests(admin) == 5, "5 requests")
        (victim,) = admin.worker_pids()
        with dialer(server)() as wire:
            wire.get("/hello.txt")
            wait_until(lambda: admin.status()["connections"]["off"] == 1, "an open connection")
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: admin.worker_pids() not in ([victim], []), "another worker")
        # What the dead one had open is gone; what it had counted isn't.
        assert admin.status()["connections"]["off"] == 0
        assert requests(admin) == 6
        assert admin.metric("ktlsserve_worker_restarts_total") == 1
        ask_hello(server)
        wait_until(lambda: requests(admin) == 7, "7 requests")
        assert admin.ask("/readyz") == (200, "ready\n")


def test_without_a_worker_nobody_should_be_sent_here(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", arguments=ADMIN) as server:
        admin = AdminClient(server)

        def kill_workers() -> bool:
            for pid in admin.worker_pids():
                os.kill(pid, signal.SIGKILL)
            return admin.ask("/readyz")[0] == 503

        # Each is replaced after a longer pause.
        wait_until(kill_workers, "no worker")
        wait_until(lambda: admin.ask("/readyz")[0] == 200, "another worker")


def test_the_endpoint_itself_may_die(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", arguments=ADMIN) as server:
        admin = AdminClient(server)
        ask_hello(server, 2)
        wait_until(lambda: requests(admin) == 2, "2 requests")
        (process,) = set(processes.children(server.pid)) - set(admin.worker_pids())
        os.kill(process, signal.SIGKILL)
        server.wait_for_log("the admin endpoint's process ended: killed by SIGKILL; it is replaced")
        assert requests(admin) == 2
        assert admin.metric("ktlsserve_worker_restarts_total") == 0


def test_a_reload_goes_on_counting(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=2, arguments=ADMIN) as server:
        admin = AdminClient(server)
        counted = 0
        for generation in (1, 2, 3):
            ask_hello(server, 2)
            counted += 2
            wait_until(lambda counted=counted: requests(admin) == counted, f"{counted} requests")  # type: ignore[misc]
            assert admin.status()["server"]["generation"] == generation
            reload_server(server)
            wait_until(lambda: len(processes.children(server.pid)) == 3, "two workers and the endpoint")
            assert requests(admin) == counted
        assert admin.metric("ktlsserve_worker_restarts_total") == 0
        assert len(server.output().splitlines()) == 2


def test_what_old_workers_still_send_is_counted_after_a_reload(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", arguments=ADMIN) as server:
        admin = AdminClient(server)
        with begin_download(server) as download:
            reload_server(server)
            wait_until(lambda: "leaving" in str(admin.status()["workers"]), "the old worker's leaving")
            require_whole(download)
        wait_until(lambda: len(admin.status()["workers"]) == 1, "the old worker's end")
        assert admin.metric("ktlsserve_sent_bytes_total", path="sendfile") == LARGE_BYTES


def test_its_address_can_be_changed_by_a_reload(tmp_path: Path, root: Path) -> None:
    settings = {"admin.listen": ["127.0.0.1:0"]}
    with Server(tmp_path / "server", root, tls="off", settings=settings) as server:
        first = AdminClient(server)
        server.configure({"admin.listen": ["127.0.0.2:0"]})
        reload_server(server)
        second = AdminClient(server, 1)
        assert second.host == "127.0.0.2"
        assert second.ask("/readyz") == (200, "ready\n")
        with pytest.raises(ConnectionRefusedError):
            first.ask("/readyz")
        server.configure({"admin.listen": []})
        reload_server(server)
        with pytest.raises(ConnectionRefusedError):
            second.ask("/readyz")
        wait_until(lambda: len(processes.children(server.pid)) == 1, "the worker alone")


def test_an_address_that_is_taken_stops_neither_the_old_nor_the_reload_after(tmp_path: Path, root: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        Server(tmp_path / "server", root, tls="off", settings={"admin.listen": ["127.0.0.1:0"]}) as server,
    ):
        admin = AdminClient(server)
        server.configure({"admin.listen": [f"127.0.0.1:{taken.getsockname()[1]}"]})
        mark = server.log_mark()
        server.send_signal(signal.SIGHUP)
        server.wait_for_log("reload failed, the old configuration stays: can't listen on", since=mark)
        assert admin.ask("/readyz") == (200, "ready\n")
        server.configure({"admin.listen": ["127.0.0.1:0"]})
        reload_server(server)
        assert admin.ask("/readyz") == (200, "ready\n")


def test_while_it_stops_it_says_so_to_the_last(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", arguments=ADMIN) as server:
        admin = AdminClient(server)
        with begin_download(server) as download:
            server.send_signal(signal.SIGTERM)
            wait_until(lambda: admin.ask("/readyz") == (404, "stopping\n"), "the end of being ready")
            assert admin.ask("/healthz") == (200, "ok\n")
            status = admin.status()
            assert (status["server"]["stage"], status["workers"][0]["stage"]) == ("stopping", "leaving")
            require_whole(download)
        server.wait()
        with pytest.raises(ConnectionRefusedError):
            admin.ask("/healthz")


def test_while_a_load_balancer_is_to_notice_requests_are_answered_and_counted(tmp_path: Path, root: Path) -> None:
    settings = {"server.drain_pause_s": 20.0}
    with Server(tmp_path / "server", root, tls="off", settings=settings, arguments=ADMIN) as server:
        admin = AdminClient(server)
        server.send_signal(signal.SIGTERM)
        wait_until(lambda: admin.ask("/readyz") == (404, "stopping\n"), "the end of being ready")
        ask_hello(server)
        wait_until(lambda: requests(admin) == 1, "a request")
        server.send_signal(signal.SIGTERM)
        server.wait()


def test_an_upgrade_takes_the_endpoint_along(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", arguments=ADMIN) as server:
        admin = AdminClient(server)
        ask_hello(server, 2)
        wait_until(lambda: requests(admin) == 2, "2 requests")
        with begin_download(server) as download:
            server.send_signal(signal.SIGUSR2)
            server.wait_for_log("serves; this one drains")
            assert AdminClient(server, 1).url == admin.url
            # From now on the new program answers, alone.
            wait_until(lambda: admin.status()["server"]["pid"] != server.pid, "the new program")
            successor = admin.status()["server"]["pid"]
            wait_until(lambda: len(processes.children(server.pid)) == 2, "the old endpoint's end")
            for _ in range(20):
                assert admin.status()["server"]["pid"] == successor
            assert admin.ask("/readyz") == (200, "ready\n")
            require_whole(download)
        server.wait()
        assert admin.ask("/readyz") == (200, "ready\n")
        os.kill(successor, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{successor}").exists(), "the end of the new program")


def test_a_second_signal_ends_it_at_once(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", arguments=ADMIN) as server, begin_download(server):
        children = processes.children(server.pid)
        assert len(children) == 2
        server.send_signal(signal.SIGTERM)
        server.wait_for_log("SIGTERM: draining")
        server.send_signal(signal.SIGTERM)
        server.wait()
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def test_it_does_not_outlive_the_supervisor(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", arguments=ADMIN) as server:
        admin = AdminClient(server)
        admin.ask("/readyz")
        children = processes.children(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), "the end of all processes")
        server.wait(-signal.SIGKILL)
