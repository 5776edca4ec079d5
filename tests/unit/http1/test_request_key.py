from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ktlsserve.http1
from ktlsserve.http1 import request_key as module
from ktlsserve.http1.request import HeadLimits
from ktlsserve.http1.request_key import RELEVANT_FIELDS, request_key

LIMITS = HeadLimits()
HOST = b"Host: localhost\r\n"


def head(*lines: bytes, request_line: bytes = b"GET /a HTTP/1.1") -> bytes:
    return b"\r\n".join((request_line, *lines, b"", b""))


def key(*lines: bytes, request_line: bytes = b"GET /a HTTP/1.1") -> tuple[bytes, ...] | None:
    return request_key(head(*lines, request_line=request_line), LIMITS)


def test_a_key_is_the_request_line_and_the_fields_that_matter() -> None:
    assert key(b"Host: localhost", b"User-Agent: x", b"ACCEPT-Encoding:  gzip\t") == (
        b"GET /a HTTP/1.1",
        b"host",
        b"localhost",
        b"accept-encoding",
        b"gzip",
    )


def test_fields_that_no_reply_depends_on_change_nothing() -> None:
    assert key(b"Host: a", b"X-Request-Id: 1", b"Range: bytes=0-1") == key(
        b"X-Request-Id: 2", b"Host: a", b"Traceparent: 00", b"range:bytes=0-1 ", b"Cookie: a=b"
    )


@pytest.mark.parametrize("name", sorted(RELEVANT_FIELDS))
def test_every_field_that_matters_makes_another_key(name: bytes) -> None:
    plain = key(b"Host: a")
    assert plain != key(b"Host: a", name + b": 1") != key(b"Host: a", name + b": 2")
    assert key(b"Host: a", name + b": 1") != key(b"Host: a", name + b": 1", name + b": 1")


def test_the_order_of_what_matters_matters() -> None:
    assert key(b"Accept: a", b"Accept: b") != key(b"Accept: b", b"Accept: a")


def test_a_value_can_not_pass_for_a_field() -> None:
    assert key(b"Host: a", b"Range: host") != key(b"Host: a", b"Range:", b"Host:")


@pytest.mark.parametrize("other", [b"HEAD /a HTTP/1.1", b"GET /A HTTP/1.1", b"GET /a? HTTP/1.1"])
def test_another_request_line_is_another_key(other: bytes) -> None:
    assert None is not key(b"Host: a", request_line=other) != key(b"Host: a")


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST /a HTTP/1.1",
        b"get /a HTTP/1.1",
        b"GET /a HTTP/1.0",
        b"GET /a HTTP/1.1 ",
        b"GET  /a HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET a HTTP/1.1",
        b"GET http://a/ HTTP/1.1",
        b"GET /\xc3\xbc HTTP/1.1",
        b"GET /a\t HTTP/1.1",
        b"GET /a",
        b"",
    ],
)
def test_the_parser_judges_other_request_lines(request_line: bytes) -> None:
    assert key(b"Host: a", request_line=request_line) is None


@pytest.mark.parametrize(
    "line",
    [
        b"no colon",
        b" folded: line",
        b"\tfolded: line",
        b"Space : before",
        b": no name",
        b"N\xc3\xa4me: x",
        b"Name: a\x00b",
        b"Name: a\x7fb",
        b"Name: a\rb",
        b"Name: a\nb",
        b"Name: a\x01b",
        b"",
    ],
)
def test_the_parser_judges_what_is_malformed(line: bytes) -> None:
    assert key(b"Host: a", line) is None
    # And does so again: a bad name is not remembered as a good one.
    assert key(b"Host: a", line, b"More: fields") is None


def test_octets_that_the_parser_takes_are_taken() -> None:
    assert key(b"Host: a", b"Name: t\ta\xc3\xa4\xff~ !") == key(b"Host: a")


def test_limits_are_the_parsers() -> None:
    limits = HeadLimits(head_bytes=60, target_bytes=30, headers=3)
    three = head(b"Host: a", b"A: 1", b"B: 2")
    assert request_key(three, limits) is not None
    assert request_key(head(b"Host: a", b"A: 1", b"B: 2", b"C: 3"), limits) is None
    exact = head(b"Host: a", b"A: " + b"x" * (60 - len(head(b"Host: a", b"A: "))))
    assert len(exact) == 60
    assert request_key(exact, limits) is not None
    assert request_key(exact.replace(b"A: ", b"A: x"), limits) is None


def test_names_that_clients_invent_fill_no_memory() -> None:
    for number in range(3 * module._MOST_KNOWN_NAMES):
        assert key(b"Host: a", b"X-%d: y" % number) == key(b"Host: a")
        assert len(module._known_names) <= module._MOST_KNOWN_NAMES


def test_nobody_asks_a_request_for_another_field() -> None:
    """What a reply depends on must be in its key: whoever asks for one more field adds it to RELEVANT_FIELDS."""
    asked = set()
    for file in sorted(Path(ktlsserve.http1.__path__[0]).glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "header":
                (argument,) = node.args
                assert isinstance(argument, ast.Constant), f"{file.name}:{node.lineno}: not a literal name"
                asked.add(argument.value)
    assert len(asked) > 5
    assert asked <= RELEVANT_FIELDS
