from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ktlsserve.config import Http, Log
from ktlsserve.networks import Networks
from ktlsserve.observe.access_line import Client
from ktlsserve.observe.access_log import AccessLog
from ktlsserve.tls.client_certificates import ClientCertificate
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME
from ktlsserve.worker.accounting import describe_client, write_client
from ktlsserve.worker.connection import Connection
from tests.support.worker_bench import Bench, server_config


def connection(peer: str, *, tls: bool = False) -> Connection:
    """Return what of a connection its lines tell."""
    suite = SUITE_BY_OPENSSL_NAME["TLS_AES_128_GCM_SHA256"]
    client = ClientCertificate("CN=alice", 0.0)
    established = SimpleNamespace(suite=suite, resumed=True, client=client) if tls else None
    values = {"peer": peer, "established": established, "kernel_sends": True, "handshake_s": 0.125}
    values |= {"logged_client": None, "logged_proxy": None}
    return cast("Connection", SimpleNamespace(**values))


@pytest.mark.parametrize(("peer", "address"), [("192.0.2.1:5000", "192.0.2.1"), ("[2001:db8::1]:5000", "2001:db8::1")])
def test_a_client_is_its_address(peer: str, address: str) -> None:
    assert describe_client(connection(peer)) == Client(address)


def test_how_it_is_encrypted_is_told() -> None:
    conn = connection("192.0.2.1:5000", tls=True)
    expected = Client("192.0.2.1", "TLS 1.3", "TLS_AES_128_GCM_SHA256", "kernel", True, 0.125, "CN=alice")
    assert describe_client(conn) == expected
    conn.kernel_sends, cast("SimpleNamespace", conn.established).client = False, None
    assert describe_client(conn) == replace(expected, tls_path="userspace", tls_subject=None)


def test_each_reply_is_a_line_of_its_request(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    log = tmp_path / "access.log"
    with Bench(tmp_path, server_config(log=Log(access_log=log, access_format="json"))) as bench:
        client = bench.connect()
        known = b"GET /a.txt HTTP/1.1\r\nHost: a\r\nUser-Agent: one\r\n\r\n"
        for head, end in (
            (known, b"hello"),
            (known, b"hello"),
            (b"GET /b HTTP/1.1\r\nHost: a\r\nReferer: http://a/\r\n\r\n", b"404 Not Found\n"),
            (b"nonsense\r\n\r\n", b"400 Bad Request\n"),
        ):
            bench.send_all(client, head)
            bench.read(client, until=end)
        assert bench.only().head == b""
        bench.pass_time(2)
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    told = [(line["client"], line["request"], line["status"], line["bytes"], line["user_agent"]) for line in lines]
    assert told == [
        ("127.0.0.1", "GET /a.txt HTTP/1.1", 200, 5, "one"),
        ("127.0.0.1", "GET /a.txt HTTP/1.1", 200, 5, "one"),
        ("127.0.0.1", "GET /b HTTP/1.1", 404, lines[2]["bytes"], None),
        # A reply to what was no request.
        ("127.0.0.1", "", 400, lines[3]["bytes"], None),
    ]


def logged_clients(folder: Path, heads: list[bytes], proxies: str) -> list[str]:
    """Return whom the access log names for requests from the loopback."""
    log = folder / "access.log"
    http = Http(forwarded_from=(ip_network(proxies), ip_network("198.51.100.0/24")))
    with Bench(folder, server_config(http=http, log=Log(access_log=log, access_format="json"))) as bench:
        client = bench.connect()
        for head in heads:
            bench.send_all(client, head)
            bench.read(client, until=b"hello")
        bench.pass_time(2)
    return [json.loads(line)["client"] for line in log.read_text(encoding="utf-8").splitlines()]


def forwarded(value: str) -> bytes:
    return f"GET /a.txt HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {value}\r\n\r\n".encode()


HEADS = [
    forwarded("192.0.2.66, 203.0.113.9, 198.51.100.2"),
    forwarded("192.0.2.66, 203.0.113.9, 198.51.100.2"),
    forwarded("2001:db8::9"),
    # Where the proxy says nothing, it is the client itself.
    b"GET /a.txt HTTP/1.1\r\nHost: a\r\n\r\n",
    forwarded("unknown"),
    forwarded("203.0.113.9"),
]


def test_a_proxy_is_believed_about_each_request(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    assert logged_clients(tmp_path, HEADS, "127.0.0.0/8") == [
        "203.0.113.9",
        "203.0.113.9",
        "2001:db8::9",
        "127.0.0.1",
        "127.0.0.1",
        "203.0.113.9",
    ]


def test_nobody_else_is_believed(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    assert logged_clients(tmp_path, HEADS, "192.0.2.0/24") == ["127.0.0.1"] * len(HEADS)


def test_what_is_said_of_a_connection_is_kept(tmp_path: Path) -> None:
    made = AccessLog(str(tmp_path / "access.log"), as_json=True)
    proxies = Networks([ip_network("198.51.100.0/24")])
    conn, proxy = connection("192.0.2.1:5000"), connection("198.51.100.1:5", tls=True)
    conn.head = proxy.head = HEADS[0]
    assert write_client(made, conn, proxies) == conn.logged_client
    assert conn.logged_proxy is None
    assert json.loads(b"{%b}" % write_client(made, proxy, proxies)[:-1])["client"] == "203.0.113.9"
    assert proxy.logged_client is None
    # Of the proxy itself: not asked for again.
    proxy.peer = "192.0.2.1:5000"
    proxy.head = HEADS[3]
    told = json.loads(b"{%b}" % write_client(made, proxy, proxies)[:-1])
    assert (told["client"], told["tls_subject"]) == ("198.51.100.1", "CN=alice")
    made.close()
