from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from ktlsserve.config import Config, Http, Log, Server, Timeouts
from ktlsserve.tls.suites import TlsVersion
from ktlsserve.worker.connection import Timeout
from ktlsserve.worker.service import TlsService
from ktlsserve.worker.states import State
from tests.support.proxy_headers import LOCAL, Case, invalid_cases, pack_v1, pack_v2, valid_cases
from tests.support.tls_client import MemoryClient, Wishes
from tests.support.tls_server import common_context
from tests.support.worker_bench import USERSPACE, Bench, Reset

LOOPBACK = ip_network("127.0.0.0/8")
ELSEWHERE = ip_network("192.0.2.0/24")
GET = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEADERS = [pack_v1("203.0.113.9", 50000), pack_v2("203.0.113.9", 50000)]
# What follows a header comes in every way: with it, behind it, and the header itself byte by byte.
CHUNKS = [1, 16, 65536]

config = Config(
    server=Server(proxy_protocol=(LOOPBACK,)), timeouts=Timeouts(handshake_s=5.0, head_s=20.0), log=Log(level="debug")
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.txt").write_bytes(b"hello, world\n")
    return tmp_path


@pytest.fixture
def plain(folder: Path) -> Iterator[Bench]:
    with Bench(folder, config) as made:
        yield made


@pytest.fixture
def encrypted(folder: Path) -> Iterator[Bench]:
    with Bench(folder, config, with_tls=True) as made:
        yield made


@pytest.mark.parametrize("header", HEADERS, ids=["1", "2"])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_a_request_follows_its_header(header: bytes, chunk: int, plain: Bench) -> None:
    client = plain.connect()
    conn = plain.only()
    assert conn.state is State.PROXY_HEADER
    stream = header + GET
    for start in range(0, len(stream), chunk):
        plain.send_all(client, stream[start : start + chunk])
        plain.settle()
    assert plain.read(client, until=b"world\n").startswith(b"HTTP/1.1 200 OK\r\n")
    assert (conn.peer, conn.proxy_header) == ("203.0.113.9:50000", None)
    assert conn.balancer.startswith("127.0.0.1:")


@pytest.mark.parametrize("version", TlsVersion)
@pytest.mark.parametrize("header", HEADERS, ids=["1", "2"])
def test_a_handshake_follows_its_header(header: bytes, version: TlsVersion, encrypted: Bench) -> None:
    client, tls = encrypted.connect(), MemoryClient(Wishes(version=version))
    conn = encrypted.only()
    # The header and the ClientHello in one piece: nothing of the latter may be lost with the former.
    encrypted.send_all(client, header + tls.data_to_send())
    encrypted.settle()
    assert conn.state is State.HANDSHAKE
    tls.receive_data(encrypted.read(client, count=1))
    encrypted.shake_hands(client, tls)
    encrypted.send_all(client, tls.send(GET))
    assert encrypted.read_tls(client, tls, until=b"world\n")
    assert conn.peer == "203.0.113.9:50000"


@pytest.mark.parametrize("case", valid_cases(), ids=str)
def test_every_valid_header_leads_to_a_reply(case: Case, plain: Bench) -> None:
    client = plain.connect()
    conn = plain.only()
    own = conn.peer
    plain.send_all(client, case.data + GET)
    assert plain.read(client, until=b"world\n")
    assert (conn.peer, conn.balancer) == ((case.source, own) if case.source else (own, ""))


@pytest.mark.parametrize("case", invalid_cases(), ids=str)
def test_what_begins_otherwise_is_closed_without_a_word(
    case: Case, plain: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    client = plain.connect()
    peer = plain.only().peer
    with caplog.at_level(logging.INFO):
        plain.send_all(client, case.data)
        with pytest.raises(Reset) as reset:
            plain.ended(client)
    assert reset.value.args == (b"",)
    assert f"{peer}: connection refused: " in caplog.text
    assert case.reason in caplog.text


def test_a_client_hello_without_a_header_is_closed(encrypted: Bench) -> None:
    client = encrypted.connect()
    encrypted.send_all(client, MemoryClient().data_to_send())
    with pytest.raises(Reset):
        encrypted.ended(client)
    assert encrypted.connections() == []


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 1.2"])
def test_a_header_has_the_time_of_a_handshake(sent: bytes, plain: Bench, encrypted: Bench) -> None:
    for bench in (plain, encrypted):
        client = bench.connect()
        bench.send_all(client, sent)
        bench.settle()
        bench.pass_time(4.9)
        assert bench.only().state is State.PROXY_HEADER
        bench.pass_time(0.2)
        with pytest.raises(Reset):
            bench.ended(client)


def test_a_header_does_not_give_the_handshake_its_time_anew(encrypted: Bench) -> None:
    client = encrypted.connect()
    encrypted.pass_time(4.9)
    encrypted.send_all(client, HEADERS[1])
    encrypted.until(lambda: encrypted.only().state is State.HANDSHAKE)
    assert encrypted.worker.deadlines._kind_of[encrypted.only()] is Timeout.HANDSHAKE
    encrypted.pass_time(5.0)
    with pytest.raises(Reset):
        encrypted.ended(client)


def test_a_request_has_its_time_from_its_header_on(plain: Bench) -> None:
    client = plain.connect()
    plain.send_all(client, HEADERS[0])
    plain.until(lambda: plain.only().state is State.HEAD)
    plain.pass_time(19)
    plain.send_all(client, GET)
    assert plain.read(client, until=b"world\n")


@pytest.mark.parametrize("sent", [b"", b"PROXY TCP4 1.2"])
def test_who_leaves_before_the_header_is_forgotten(sent: bytes, plain: Bench) -> None:
    client = plain.connect()
    plain.send_all(client, sent)
    client.close()
    plain.until(lambda: not plain.connections())


def test_a_health_check_is_of_the_balancer_itself(plain: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client = plain.connect()
        own = plain.only().peer
        plain.send_all(client, LOCAL + GET)
        assert plain.read(client, until=b"world\n")
    assert plain.only().peer == own
    assert f"{own}: a PROXY header of version 2 that names nobody" in caplog.text


def test_the_log_tells_both_addresses(plain: Bench, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client = plain.connect()
        own = plain.only().peer
        plain.send_all(client, HEADERS[0] + GET)
        assert plain.read(client, until=b"world\n")
    assert f"203.0.113.9:50000: connected to 198.51.100.1:443, by way of {own}" in caplog.text


class TestFromElsewhere:
    """Who isn't named must not send a header, whether others must or nobody may."""

    @pytest.fixture(params=[(ELSEWHERE,), ()], ids=["others must", "nobody may"])
    def config(self, request: pytest.FixtureRequest) -> Config:
        return replace(config, server=Server(proxy_protocol=request.param), http=Http())

    @pytest.mark.parametrize("header", [*HEADERS, LOCAL], ids=["1", "2", "local"])
    def test_a_header_before_plain_http_gets_400(self, header: bytes, config: Config, folder: Path) -> None:
        with Bench(folder, config) as bench:
            client = bench.connect()
            own = bench.only().peer
            bench.send_all(client, header + GET)
            answer = bench.read(client)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"hello" not in answer
            assert own != "203.0.113.9:50000"

    @pytest.mark.parametrize("header", [*HEADERS, LOCAL], ids=["1", "2", "local"])
    def test_a_header_before_tls_gets_nothing(
        self, header: bytes, config: Config, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with Bench(folder, config, with_tls=True) as bench, caplog.at_level(logging.INFO):
            client = bench.connect()
            bench.send_all(client, header + MemoryClient().data_to_send())
            assert bench.ended(client)
        assert "a PROXY header where server.proxy_protocol expects none" in caplog.text

    def test_a_request_without_a_header_is_answered(self, config: Config, folder: Path) -> None:
        with Bench(folder, config) as bench:
            client = bench.connect()
            bench.send_all(client, GET)
            assert bench.read(client, until=b"world\n")


def test_a_second_header_is_the_clients_and_refused(plain: Bench) -> None:
    client = plain.connect()
    plain.send_all(client, HEADERS[0] + pack_v1("192.0.2.66", 1) + GET)
    assert plain.read(client).startswith(b"HTTP/1.1 400 ")


def test_waiting_for_headers_takes_the_places_of_handshakes(folder: Path) -> None:
    tls = TlsService(common_context(), USERSPACE, max_handshake_bytes=65536, handshakes_in_progress=2)
    with Bench(folder, config, tls=tls) as bench:
        first, _ = bench.connect(), bench.connect()
        assert not bench.worker._acceptor._open
        first.close()
        bench.until(lambda: len(bench.connections()) == 1)
        assert bench.worker._acceptor._open
