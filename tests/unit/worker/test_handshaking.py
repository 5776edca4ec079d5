from __future__ import annotations

import contextlib
import errno
import logging
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from OpenSSL import SSL

from ktlsserve.config import Config
from ktlsserve.errors import TxKeyError, UlpError
from ktlsserve.tls.client_certificates import ClientPolicy
from ktlsserve.tls.context import CapturedSecrets
from ktlsserve.tls.suites import TlsVersion
from ktlsserve.worker import handover, handshaking
from ktlsserve.worker.connection import Timeout
from ktlsserve.worker.handover import HandoverPlan
from ktlsserve.worker.receivers import OpensslReceiver
from ktlsserve.worker.senders import OpensslSender
from ktlsserve.worker.service import TlsService
from ktlsserve.worker.states import State
from tests.support.pki import TODAY_TOO, new_authority
from tests.support.tls_client import MemoryClient, Wishes
from tests.support.tls_server import chain, common_context, new_context, new_handshake, policy
from tests.support.waiting import LIMIT_S
from tests.support.worker_bench import USERSPACE, Bench, Reset

GET = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
KERNEL = HandoverPlan(kernel_sends=True, kernel_receives=True, required=True, can_rekey=True, max_key_updates=16)


def tls_service(plan: HandoverPlan = USERSPACE, **changes: object) -> TlsService:
    service = TlsService(common_context(), plan, max_handshake_bytes=65536, handshakes_in_progress=100)
    return replace(service, **changes)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(b"hello, world\n")
    return tmp_path


@pytest.fixture
def bench(folder: Path) -> Iterator[Bench]:
    with Bench(folder, with_tls=True) as made:
        yield made


@pytest.mark.parametrize("version", TlsVersion)
def test_after_its_handshake_a_connection_is_served(version: TlsVersion, bench: Bench) -> None:
    client, tls = bench.connect(), MemoryClient(Wishes(version=version))
    conn = bench.only()
    assert (conn.state, conn.sender, conn.receiver) == (State.HANDSHAKE, None, None)
    bench.shake_hands(client, tls)
    assert conn.state is State.HEAD
    assert (type(conn.receiver), type(conn.sender)) == (OpensslReceiver, OpensslSender)
    bench.send_all(client, tls.send(GET))
    assert bench.read_tls(client, tls, until=b"world\n").startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_that_comes_with_finished_is_answered(bench: Bench) -> None:
    client, tls = bench.connect(), MemoryClient(Wishes(version=TlsVersion.TLS1_3))
    while not tls.done:
        bench.send_all(client, tls.data_to_send())
        bench.settle()
        tls.receive_data(client.recv(65536))
    bench.send_all(client, tls.send(GET))
    assert bench.read_tls(client, tls, until=b"world\n")


def test_the_connection_keeps_what_was_agreed_on_but_no_key(bench: Bench) -> None:
    client, tls = bench.connect(), MemoryClient()
    conn = bench.only()
    bench.shake_hands(client, tls)
    assert conn.established is not None
    assert (conn.established.tx, conn.established.rx, conn.handshake) == (None, None, None)
    assert conn.established.suite.openssl_name == "TLS_AES_128_GCM_SHA256"


def test_a_handshake_is_timed_from_accept(bench: Bench) -> None:
    client, tls = bench.connect(), MemoryClient()
    conn = bench.only()
    conn.accepted_s -= 100
    bench.shake_hands(client, tls)
    assert 100 <= conn.handshake_s < 100 + LIMIT_S


def test_the_log_tells_what_was_agreed_on(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client, tls = bench.connect(), MemoryClient()
        peer = bench.only().peer
        bench.shake_hands(client, tls)
    line = f"{peer}: TLS 1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768 resumed=False tls=userspace"
    assert line in [record.message for record in caplog.records]


def test_the_log_tells_no_secret(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client, tls = bench.connect(), MemoryClient(Wishes(version=TlsVersion.TLS1_3))
        conn = bench.only()
        assert conn.handshake is not None
        captured: CapturedSecrets = conn.handshake.connection.get_app_data()
        bench.shake_hands(client, tls)
        bench.send_all(client, tls.send(GET))
        bench.read_tls(client, tls, until=b"world\n")
    assert len(caplog.records) > 0
    for secret in (captured.client, captured.server):
        assert secret is not None
        assert secret.hex() not in caplog.text.lower()
        assert repr(secret)[2:-1] not in caplog.text


@pytest.mark.parametrize("exact", [True, False])
def test_a_hello_in_many_small_records_takes_several_turns(exact: bool, bench: Bench) -> None:
    client, tls = bench.connect(), MemoryClient(Wishes(version=TlsVersion.TLS1_3))
    conn = bench.only()
    conn.handshake = new_handshake(exact=exact)
    body = tls.data_to_send()[5:]
    pieces = [body[start : start + 10] for start in range(0, len(body), 10)]
    # Exact reading takes two reads for each record.
    assert 2 * len(pieces) > handshaking._READS_A_TURN
    bench.send_all(client, b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces))
    bench.settle()
    tls.receive_data(bench.read(client, count=200))
    assert conn.state is State.HANDSHAKE
    bench.shake_hands(client, tls)
    assert bench.only().state is State.HEAD


def test_a_flight_that_finds_no_room_is_sent_on_later(folder: Path) -> None:
    """A chain of certificates far larger than the buffers, and a client that doesn't read at first."""
    large = replace(chain("rsa"), chain=chain("rsa", intermediate="middle").chain * 300)
    service = tls_service(context=new_context(large))
    with Bench(folder, tls=service) as bench:
        bench.service.listeners[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        client, tls = bench.connect(receive_buffer_bytes=16384), MemoryClient()
        conn = bench.only()
        bench.send_all(client, tls.data_to_send())
        bench.settle()
        assert len(conn.handshake_output) > 10_000
        # Asked again too early, it waits on.
        assert not handshaking._send_output(bench.worker, conn)
        # OpenSSL's client takes no message beyond 100 KiB: it is the flight that counts here.
        flight = bench.read(client, count=len(conn.handshake_output) + 1000)
        assert flight[0] == 22
        bench.until(lambda: not conn.handshake_output)
        assert conn.state is State.HANDSHAKE


# Handshakes that fail.


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"\x16\x03\x01\x00\x20" + bytes(32), b"\x15\x03\x03\x00\x02\x02\x0a"),
        (b"SSH-2.0-OpenSSH\r\n", b""),
    ],
)
def test_who_does_not_speak_tls_is_told_so_and_left(
    sent: bytes, answer: bytes, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    client = bench.connect()
    with caplog.at_level(logging.INFO):
        bench.send_all(client, sent)
        received = bench.read(client)
    assert received.startswith(answer)
    assert bool(received) == bool(answer)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    client.close()
    bench.until(lambda: not bench.connections())


def test_an_alert_reaches_the_client(bench: Bench) -> None:
    client, tls = bench.connect(), MemoryClient(Wishes(protocols=(b"h2",)))
    bench.send_all(client, tls.data_to_send())
    alert = bench.read(client)
    with pytest.raises(SSL.Error, match="no application protocol"):
        tls.receive_data(alert)


def test_a_failed_handshake_is_no_longer_under_way(folder: Path) -> None:
    with Bench(folder, tls=tls_service(handshakes_in_progress=1)) as bench:
        first = bench.connect()
        bench.send_all(first, b"garbage")
        assert bench.ended(first)
        # It lingers, because the client hasn't closed its side; another one is accepted.
        assert bench.only().state is State.LINGERING
        bench.connect()


def test_a_client_that_leaves_is_forgotten(bench: Bench) -> None:
    client, tls = bench.connect(), MemoryClient()
    bench.send_all(client, tls.data_to_send()[:100])
    bench.settle()
    client.close()
    bench.until(lambda: not bench.connections())


def test_a_client_that_resets_is_forgotten(bench: Bench) -> None:
    client = bench.connect()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    bench.until(lambda: not bench.connections())


def test_a_handshake_has_its_time(bench: Bench) -> None:
    client = bench.connect()
    bench.send_all(client, MemoryClient().data_to_send()[:100])
    bench.settle()
    limit_s = Config().timeouts.handshake_s
    bench.pass_time(limit_s - 1)
    assert bench.connections()
    # Bytes don't start it anew.
    bench.send_all(client, MemoryClient().data_to_send()[100:101])
    bench.settle()
    bench.pass_time(limit_s)
    assert not bench.connections()
    with pytest.raises(Reset):
        bench.ended(client)


def test_a_finished_handshake_is_followed_by_the_time_for_a_head(bench: Bench) -> None:
    client, tls = bench.connect(), MemoryClient()
    bench.shake_hands(client, tls)
    conn = bench.only()
    assert bench.worker.deadlines._kind_of[conn] is Timeout.HEAD
    bench.pass_time(Config().timeouts.head_s)
    assert bench.read_tls_end(client, tls) == b""


# The kernel's part.


@pytest.fixture
def no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_sock: socket.socket) -> None:
        raise UlpError(errno.ENOENT)

    monkeypatch.setattr(handover, "attach_ulp", refuse)


def test_without_the_kernel_that_is_required_a_connection_is_refused(
    folder: Path, no_kernel: None, caplog: pytest.LogCaptureFixture
) -> None:
    with Bench(folder, tls=tls_service(KERNEL)) as bench, caplog.at_level(logging.INFO):
        client = socket.create_connection(bench.address)
        bench.until(lambda: "connection refused: setsockopt" in caplog.text)
        assert not bench.connections()
        with pytest.raises(ConnectionResetError):
            client.recv(1)
        client.close()


def test_the_fallback_serves_where_the_kernel_refuses(folder: Path, no_kernel: None) -> None:
    with Bench(folder, tls=tls_service(replace(KERNEL, required=False))) as bench:
        client, tls = bench.connect(), MemoryClient()
        bench.shake_hands(client, tls)
        bench.send_all(client, tls.send(GET))
        assert bench.read_tls(client, tls, until=b"world\n")


def test_a_hand_over_that_fails_ends_the_connection(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise TxKeyError(errno.EINVAL)

    monkeypatch.setattr(handshaking, "hand_over", refuse)
    client, tls = bench.connect(), MemoryClient()
    with contextlib.suppress(ConnectionResetError):
        bench.shake_hands(client, tls)
    bench.until(lambda: not bench.connections())
    assert [(record.levelname, "hand-over failed" in record.message) for record in caplog.records] == [
        ("WARNING", True)
    ]


def test_nothing_can_be_sent_before_the_hand_over(bench: Bench) -> None:
    """Without a sender there is nothing that could send in clear."""
    client, tls = bench.connect(), MemoryClient()
    conn = bench.only()
    bench.send_all(client, tls.data_to_send())
    bench.settle()
    assert (conn.sender, conn.receiver) == (None, None)


def test_an_unfinished_handshake_is_not_handed_over(bench: Bench) -> None:
    bench.connect()
    conn = bench.only()
    assert conn.handshake is not None
    with pytest.raises(RuntimeError, match="isn't finished"):
        handshaking._finish(bench.worker, conn, conn.handshake)


def test_an_alert_that_can_not_be_sent_is_no_matter(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client = bench.connect()
    conn = bench.only()
    # Our side is shut already, as after an error that the kernel has noticed first.
    conn.sock.shutdown(socket.SHUT_WR)
    with caplog.at_level(logging.DEBUG):
        bench.send_all(client, b"GET / HTTP/1.1\r\n\r\n")
        bench.until(lambda: "no alert sent: [Errno 32] Broken pipe" in caplog.text)
    assert "bug" not in caplog.text


def test_a_connection_without_its_handshake_is_a_bug(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    client = bench.connect()
    bench.only().handshake = None
    bench.send_all(client, b"x")
    bench.until(lambda: not bench.connections())
    assert "a bug ended this connection in state HANDSHAKE" in caplog.text


# Certificates of clients.

CLIENTS = new_authority("Clients", days=TODAY_TOO)
ALICE = CLIENTS.issue_client("alice")


@pytest.fixture
def asking(folder: Path) -> Iterator[Bench]:
    clients = ClientPolicy(required=True, authorities=(CLIENTS.certificate,), crls=(), depth=1)
    context = new_context(chain(), terms=replace(policy(capture_secrets=False), clients=clients))
    with Bench(folder, tls=tls_service(context=context)) as made:
        yield made


@pytest.mark.parametrize("version", TlsVersion)
def test_a_client_with_a_certificate_is_served_and_told_of(
    version: TlsVersion, asking: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    client, tls = asking.connect(), MemoryClient(Wishes(version=version, identity=(ALICE,)))
    conn = asking.only()
    with caplog.at_level(logging.DEBUG):
        asking.shake_hands(client, tls)
    asking.send_all(client, tls.send(GET))
    assert asking.read_tls(client, tls, until=b"world\n")
    assert f"{conn.peer}: the client is CN=alice" in caplog.text
    assert conn.established is not None
    assert conn.established.client is not None


@pytest.mark.parametrize("version", TlsVersion)
def test_a_client_whose_certificate_is_refused_hears_why(
    version: TlsVersion, asking: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    client = asking.connect()
    tls = MemoryClient(Wishes(version=version, identity=(CLIENTS.issue_client("late", days=(-7300, -7000)),)))
    peer = asking.only().peer
    with caplog.at_level(logging.INFO):
        while not tls.done and asking.only().state is State.HANDSHAKE:
            asking.send_all(client, tls.data_to_send())
            asking.settle()
            with contextlib.suppress(BlockingIOError, SSL.Error):
                tls.receive_data(client.recv(65536))
        asking.send_all(client, tls.data_to_send())
        asking.settle()
    expected = f"{peer}: handshake failed: client certificate refused: certificate has expired (CN=late)"
    assert [record.message for record in caplog.records] == [expected]
    assert asking.only().state is State.LINGERING


def test_a_session_that_has_outlived_its_certificate_is_refused(
    asking: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    first, client = MemoryClient(Wishes(version=TlsVersion.TLS1_3, identity=(ALICE,))), asking.connect()
    asking.shake_hands(client, first)
    first.receive_data(client.recv(65536))
    with pytest.raises(SSL.WantReadError):
        first.connection.recv(1)
    second = MemoryClient(earlier=first)
    client = asking.connect()
    conn = asking.connections()[-1]
    conn.handshake = new_handshake(asking.service.tls.context if asking.service.tls else None, now_s=2**40)
    with caplog.at_level(logging.INFO):
        asking.shake_hands(client, second)
    assert "handshake failed: client certificate refused: it has expired since its session began" in caplog.text
    assert conn.state is State.LINGERING


def test_the_clock_reaches_the_handshake(bench: Bench) -> None:
    bench.connect()
    conn = bench.only()
    assert conn.handshake is not None
    assert abs(conn.handshake._now_s - time.time()) < 60
