from __future__ import annotations

from ktlsserve.http1.request import Request
from loadtests.baselines.quic.heads import reply_fields, request_of


def test_a_request_is_what_its_fields_say() -> None:
    fields = [
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b":authority", b"localhost:8443"),
        (b":path", b"/a?b"),
        (b"range", b"bytes=0-1"),
    ]
    headers = ((b"host", b"localhost:8443"), (b"range", b"bytes=0-1"))
    assert request_of(fields) == Request(b"GET", b"/a?b", b"1.1", headers, keep_alive=True)


def test_a_request_without_method_or_path_is_none() -> None:
    assert request_of([(b":method", b"GET")]) is None
    assert request_of([(b":path", b"/"), (b":method", b"")]) is None
    assert request_of([(b"trailer", b"x")]) is None


def test_a_reply_loses_what_is_about_its_connection() -> None:
    head = b"HTTP/1.1 404 Not Found\r\nDate: now\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
    assert reply_fields(head) == [(b":status", b"404"), (b"date", b"now"), (b"content-length", b"5")]
