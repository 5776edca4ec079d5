from __future__ import annotations

import pytest

from ktlsserve.http1.cors import Cors
from ktlsserve.http1.request import Request

APP = b"https://app.example"
ANY = Cors(frozenset({b"*"}))
SOME = Cors(frozenset({APP, b"http://localhost:8000"}))
PREFLIGHT = (b"access-control-request-method", b"GET")


def request(*fields: tuple[bytes, bytes]) -> Request:
    return Request(b"GET", b"/", b"1.1", fields, keep_alive=True)


def test_everybody_may_read_what_is_for_everybody() -> None:
    expected = ((b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Expose-Headers", b"*"))
    assert ANY.fields(request()) == expected
    assert ANY.fields(request((b"origin", b"null"))) == expected


def test_a_named_origin_is_allowed_and_caches_are_told() -> None:
    assert SOME.fields(request((b"origin", APP))) == (
        (b"Vary", b"Origin"),
        (b"Access-Control-Allow-Origin", APP),
        (b"Access-Control-Expose-Headers", b"*"),
    )


@pytest.mark.parametrize("origin", [b"https://evil.example", b"null", b"", b"HTTPS://app.example", APP + b", " + APP])
def test_another_origin_is_told_nothing(origin: bytes) -> None:
    assert SOME.fields(request((b"origin", origin))) == ((b"Vary", b"Origin"),)
    assert SOME.preflight_fields(request((b"origin", origin), PREFLIGHT)) == ()


def test_a_request_without_an_origin_gets_a_reply_that_says_what_it_varies_by() -> None:
    assert SOME.fields(request()) == ((b"Vary", b"Origin"),)


@pytest.mark.parametrize("cors", [ANY, SOME])
def test_a_preflight_is_answered(cors: Cors) -> None:
    fields = dict(cors.preflight_fields(request((b"origin", APP), PREFLIGHT)))
    assert fields[b"Access-Control-Allow-Methods"] == b"GET, HEAD"
    assert b"Authorization" in fields[b"Access-Control-Allow-Headers"]


@pytest.mark.parametrize("fields", [[], [(b"origin", APP)], [PREFLIGHT]])
def test_another_options_is_no_preflight(fields: list[tuple[bytes, bytes]]) -> None:
    assert ANY.preflight_fields(request(*fields)) == ()
