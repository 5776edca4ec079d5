"""SIGHUP: what is new is served, what was begun is finished with the old, and what can't be served changes nothing."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.downloads import HELLO, begin_download, make_download_root, require_whole
from tests.support.load import Load
from tests.support.pki import Issued, new_authority, write_pair
from tests.support.server import Server, toml_document
from tests.support.waiting import LIMIT_S, wait_until
from tests.support.wire import TlsWire, Wire, dialer

pytestmark = pytest.mark.slow

NEW_HELLO = b"hello, new world\n"
DRAIN_S = 0.2
PROMOTED = "workers serve with the new configuration"

# A server whose workers can't boot while a file exists.
CAPRICIOUS = """
import os, sys
from ktlsserve.errors import StartupError
from ktlsserve.supervisor import generation
flag, *sys.argv[1:] = sys.argv[1:]

class Capricious(generation.Worker):
    def __init__(self, *arguments):
        if os.path.exists(flag):
            raise StartupError("no boots")
        super().__init__(*arguments)

generation.Worker = Capricious
from ktlsserve.cli import main
sys.exit(main())
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_download_root(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def new_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new")
    (folder / "hello.txt").write_bytes(NEW_HELLO)
    return folder


@pytest.fixture(params=["off", "userspace"])
def tls(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def reload_server(server: Server, outcome: str = PROMOTED) -> None:
    """Send SIGHUP and wait for the line of the log that tells what became of it."""
    mark = server.log_mark()
    server.send_signal(signal.SIGHUP)
    server.wait_for_log(outcome, since=mark)


def hello(server: Server, *, listener: int = 0) -> bytes:
    """Fetch hello.txt over a connection of its own."""
    with dialer(server, listener=listener)() as wire:
        return wire.get("/hello.txt", "Connection: close").body


def test_a_reload_serves_the_new_and_finishes_the_old(tmp_path: Path, root: Path, new_root: Path, tls: str) -> None:
    # That is for a stop; after a reload nothing has to end by then.
    settings = {"server.drain_s": DRAIN_S}
    with Server(tmp_path / "server", root, tls=tls, workers=2, settings=settings) as server:
        old_workers = server.worker_pids()
        with begin_download(server) as download:
            with dialer(server)() as idle:
                assert idle.get("/hello.txt").body == HELLO
                server.configure({"server.root": str(new_root), "server.workers": 3})
                reload_server(server)
                assert idle.read_to_end() == b""
                assert idle.end is idle.orderly
            # The old worker that has nothing left to do ends, the other one stays for the download.
            wait_until(lambda: len(server.worker_pids()) == 4, "3 new workers and an old one")
            assert len(set(old_workers) & set(server.worker_pids())) == 1
            assert [hello(server) for _ in range(6)] == [NEW_HELLO] * 6
            time.sleep(2 * DRAIN_S)
            require_whole(download)
        wait_until(lambda: len(server.worker_pids()) == 3, "the end of the old worker")
        assert not set(old_workers) & set(server.worker_pids())
        assert len(server.output().splitlines()) == 1


def test_no_connection_is_lost_while_it_reloads(tmp_path: Path, root: Path, tls: str) -> None:
    with Server(tmp_path / "server", root, tls=tls, workers=2) as server:
        dial = dialer(server)
        for _ in range(3):
            mark = server.log_mark()
            server.send_signal(signal.SIGHUP)
            while PROMOTED not in server.log()[mark:]:
                with dial() as wire:
                    response = wire.get("/hello.txt", "Connection: close")
                    assert (response.status, response.body) == (200, HELLO)
                    assert wire.read_to_end() == b""
                    assert wire.end is wire.orderly


def test_no_request_fails_under_load(tmp_path: Path, root: Path, tls: str) -> None:
    with Server(tmp_path / "server", root, tls=tls, workers=2, settings={"log.level": "info"}) as server:
        context = None
        if tls != "off":
            context = ssl.create_default_context(cafile=str(server.ca_file))
            # The certificate is its own authority, and is none.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        with Load(server.address, context, "/hello.txt", HELLO, kept=4, fresh=2) as load:
            for number in range(4):
                load.enter(f"reload {number}", requests=200)
                reload_server(server)
            # What can't be served fails no request either.
            server.config_file.write_text("[server")
            load.enter("bad configuration", requests=200)
            reload_server(server, "reload failed, the old configuration stays: .*syntax")
            load.enter("afterwards", requests=200)
        assert load.failures == {}, "\n".join(load.reasons)


def test_the_log_follows(tmp_path: Path, root: Path) -> None:
    def complaint(server: Server) -> str:
        """Return what is logged of a bad request, if anything is."""
        mark = server.log_mark()
        with dialer(server)() as wire:
            wire.send(b"\x00\r\n\r\n")
            assert wire.responses(1)[0].status == 400
            return server.log()[mark:]

    with Server(tmp_path / "server", root, tls="off", settings={"log.level": "info"}) as server:
        assert complaint(server) == ""
        server.configure({"log.level": "debug", "log.format": "json"})
        reload_server(server)
        wait_until(lambda: len(server.worker_pids()) == 1, "the end of the old worker")
        assert json.loads(complaint(server))["level"] == "debug"


def test_a_new_certificate(tmp_path: Path, root: Path) -> None:
    authority = new_authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)

    def issue() -> Issued:
        return authority.issue("server", ["localhost"], days=(-10_000, 10_000))

    first, second = issue(), issue()
    certificate, key = write_pair(tmp_path, "server", first)
    settings = {"tls.certificates": [{"cert": str(certificate), "key": str(key)}]}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=first.pem.decode())
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    def served(server: Server) -> bytes:
        with TlsWire(server.address, context) as wire:
            assert wire.get("/hello.txt").body == HELLO
            return ssl.DER_cert_to_PEM_cert(wire.tls.getpeercert(binary_form=True) or b"").encode()

    with Server(tmp_path / "server", root, tls="userspace", settings=settings) as server:
        assert served(server) == first.pem
        write_pair(tmp_path, "server", second)
        assert served(server) == first.pem
        reload_server(server)
        wait_until(lambda: len(server.worker_pids()) == 1, "the end of the old worker")
        assert served(server) == second.pem
        key.write_bytes(first.key_pem)
        reload_server(server, "reload failed, the old configuration stays: .*isn't that of the certificate")
        assert served(server) == second.pem


def test_what_cannot_be_served_leaves_everything_as_it_was(tmp_path: Path, root: Path, new_root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=2) as server:
        workers = server.worker_pids()
        held = processes.descriptors(server.pid)
        text = server.config_file.read_text()
        with dialer(server)() as kept:
            for content, complaint in [
                (text.replace("[tls]", "[tsl]"), "tsl: unknown key"),
                ("[server", "syntax"),
                (text.replace(str(root), f"{root}/nothing"), "nothing"),
                (text.replace("127.0.0.1:0", "192.0.2.1:0"), "can't listen on 192.0.2.1:0"),
            ]:
                server.config_file.write_text(content)
                reload_server(server, f"reload failed, the old configuration stays: .*{complaint}")
                assert kept.get("/hello.txt").body == HELLO
                assert hello(server) == HELLO
        assert server.worker_pids() == workers
        assert processes.descriptors(server.pid) == held
        server.configure({"server.root": str(new_root)})
        reload_server(server)
        wait_until(lambda: len(server.worker_pids()) == 2, "the end of the old workers")
        assert hello(server) == NEW_HELLO


def test_workers_that_cannot_boot_leave_the_old_ones_serving(tmp_path: Path, root: Path, new_root: Path) -> None:
    flag = tmp_path / "flag"
    program = ("-c", CAPRICIOUS, str(flag))
    with Server(tmp_path / "server", root, tls="off", workers=2, program=program) as server:
        workers = server.worker_pids()
        held = len(processes.descriptors(server.pid))
        flag.touch()
        server.configure({"server.root": str(new_root)})
        for _ in range(3):
            reload_server(server, "reload failed, the old workers go on: worker \\d+ did not boot: exit status 3")
            wait_until(lambda: server.worker_pids() == workers, "the end of those that did not boot")
            assert hello(server) == HELLO
        assert len(processes.descriptors(server.pid)) == held
        flag.unlink()
        reload_server(server)
        wait_until(lambda: len(server.worker_pids()) == 2, "the end of the old workers")
        assert hello(server) == NEW_HELLO


def test_listeners_come_and_go(tmp_path: Path, root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=2, listen=["127.0.0.1:0", "127.0.0.2:0"]) as server:
        first, second = server.listening()
        server.configure({"server.listen": ["127.0.0.2:0", "127.0.0.3:0"]})
        reload_server(server)
        lines = server.listening()
        assert [line.host for line in lines] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
        assert lines[:2] == [first, second]
        assert [hello(server, listener=number) for number in (1, 2)] == [HELLO] * 2
        wait_until(lambda: len(server.worker_pids()) == 2, "the end of the old workers")
        with pytest.raises(ConnectionRefusedError):
            Wire((first.host, first.port)).close()


def test_a_reload_during_a_reload_is_not_forgotten(tmp_path: Path, root: Path, new_root: Path) -> None:
    with Server(tmp_path / "server", root, tls="off", workers=2) as server:
        for _ in range(3):
            mark = server.log_mark()
            server.configure({"server.root": str(root), "server.workers": 4})
            server.send_signal(signal.SIGHUP)
            server.wait_for_log("reloading", since=mark)
            server.configure({"server.root": str(new_root), "server.workers": 2})
            server.send_signal(signal.SIGHUP)
            wait_until(lambda: len(server.worker_pids()) == 2, "the newest configuration is served by two")
            wait_until(lambda: hello(server) == NEW_HELLO, "the newest configuration is served")


def test_descriptors_do_not_grow_with_reloads(tmp_path: Path, root: Path) -> None:
    settings = {"log.access_log": str(tmp_path / "access.log")}
    with Server(tmp_path / "server", root, tls="userspace", settings=settings) as server:
        reload_server(server)
        wait_until(lambda: len(server.worker_pids()) == 1, "the end of the old worker")
        supervisor, worker = (
            sorted(processes.descriptors(pid).values()) for pid in (server.pid, *server.worker_pids())
        )
        for _ in range(4):
            reload_server(server)
        wait_until(lambda: len(server.worker_pids()) == 1, "the end of the old workers")
        (pid,) = server.worker_pids()
        assert len(processes.descriptors(server.pid)) == len(supervisor)
        assert len(processes.descriptors(pid)) == len(worker)


def test_standard_output_that_nobody_reads_any_more(tmp_path: Path, root: Path) -> None:
    config = tmp_path / "server.toml"
    settings: dict[str, object] = {"server.root": str(root), "server.listen": ["127.0.0.1:0"], "tls.mode": "off"}
    config.write_text(toml_document(settings))
    with (tmp_path / "stderr").open("wb") as stderr:
        server = subprocess.Popen(
            [sys.executable, "-m", "ktlsserve", "serve", "--config", str(config)], stdout=subprocess.PIPE, stderr=stderr
        )
    try:
        assert server.stdout is not None
        assert server.stdout.readline().startswith(b"listening on http://127.0.0.1:")
        server.stdout.close()
        config.write_text(toml_document({**settings, "server.listen": ["127.0.0.1:0", "127.0.0.2:0"]}))
        server.send_signal(signal.SIGHUP)
        log = tmp_path / "stderr"
        wait_until(lambda: PROMOTED in log.read_text() or server.poll() is not None, "the reload")
        assert "listening on http://127.0.0.2:" in log.read_text()
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(LIMIT_S) == 0
    assert "Traceback" not in log.read_text()
