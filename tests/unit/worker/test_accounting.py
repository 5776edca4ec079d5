from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from ktlsserve.observe.access_log import AccessLog
from ktlsserve.tls.suites import SUITE_BY_OPENSSL_NAME
from ktlsserve.worker.accounting import log_reply
from ktlsserve.worker.connection import Connection


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


@pytest.fixture
def log(file: Path) -> Iterator[AccessLog]:
    made = AccessLog(str(file), as_json=True)
    yield made
    made.close()


def connection(head: bytes, *, peer: str = "192.0.2.1:5000", tls: bool = False) -> Connection:
    """Return what of a connection its log line is made of."""
    suite = SUITE_BY_OPENSSL_NAME["TLS_AES_128_GCM_SHA256"]
    established = SimpleNamespace(suite=suite) if tls else None
    values = {"head": head, "peer": peer, "established": established, "request_s": 100.0, "logged_client": None}
    return cast("Connection", SimpleNamespace(**values))


def line(log: AccessLog, file: Path, conn: Connection, **changes: int) -> dict[str, object]:
    log_reply(log, conn, changes.get("status", 200), changes.get("body_bytes", 7), 971_211_336.0, 100.25)
    log.flush()
    found: dict[str, object] = json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
    return found


def test_a_reply_is_a_line(log: AccessLog, file: Path) -> None:
    head = b"GET /a?b HTTP/1.1\r\nHost: a\r\nuser-AGENT:\ttester \r\nReferer:http://a/\r\nX-User-Agent: no\r\n\r\n"
    conn = connection(head, tls=True)
    found = line(log, file, conn, status=206, body_bytes=99)
    values = {str(value) for value in found.values()}
    assert {"192.0.2.1", "206", "99", "tester", "http://a/"} <= values
    assert any("TLS 1.3" in value for value in values)
    assert any("TLS_AES_128_GCM_SHA256" in value for value in values)
    assert any("/a?b" in value for value in values)
    assert 0.25 in found.values() or 250.0 in found.values()
    # It is told once.
    assert conn.head == b""


def test_an_ipv6_client_is_written_without_brackets(log: AccessLog, file: Path) -> None:
    found = line(log, file, connection(b"GET / HTTP/1.1\r\n\r\n", peer="[2001:db8::1]:5000"))
    assert "2001:db8::1" in found.values()


def test_what_was_no_request_has_no_request_line(log: AccessLog, file: Path) -> None:
    found = line(log, file, connection(b""), status=400)
    assert "400" in {str(value) for value in found.values()}
    assert not any("HTTP/1" in str(value) for value in found.values())


def test_the_connection_is_described_once(log: AccessLog, file: Path) -> None:
    conn = connection(b"GET /1 HTTP/1.1\r\n\r\n", tls=True)
    line(log, file, conn)
    conn.peer, conn.established, conn.head = "203.0.113.9:1", None, b"GET /2 HTTP/1.1\r\n\r\n"
    found = line(log, file, conn)
    assert (found["client"], found["request"]) == ("192.0.2.1", "GET /2 HTTP/1.1")
    assert found["tls_cipher"] == "TLS_AES_128_GCM_SHA256"
