from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ktlsserve.config import Log
from ktlsserve.observe.access_line import Client
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME
from ktlsserve.worker.accounting import describe_client
from ktlsserve.worker.connection import Connection
from tests.support.worker_bench import Bench, server_config


def connection(peer: str, *, tls: bool = False) -> Connection:
    """Return what of a connection its lines tell."""
    suite = SUITE_BY_OPENSSL_NAME["TLS_AES_128_GCM_SHA256"]
    established = SimpleNamespace(suite=suite) if tls else None
    return cast("Connection", SimpleNamespace(peer=peer, established=established))


@pytest.mark.parametrize(("peer", "address"), [("192.0.2.1:5000", "192.0.2.1"), ("[2001:db8::1]:5000", "2001:db8::1")])
def test_a_client_is_its_address(peer: str, address: str) -> None:
    assert describe_client(connection(peer)) == Client(address)


def test_version_and_cipher_are_told() -> None:
    described = describe_client(connection("192.0.2.1:5000", tls=True))
    assert described == Client("192.0.2.1", "TLS 1.3", "TLS_AES_128_GCM_SHA256")


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
