from __future__ import annotations

import h11
import pytest

from ktlsserve.errors import RequestError
from ktlsserve.http1.head import head_end, parse_head, skip_leading_crlf
from ktlsserve.http1.request import CHUNKED_BODY, NO_BODY, BodyFraming, BodyKind, HeadLimits, Request

LIMITS = HeadLimits(head_bytes=200, target_bytes=50, headers=5)


def head(*fields: bytes, line: bytes = b"GET /x HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: localhost", *fields, b"", b""])


def refused(data: bytes, limits: HeadLimits = LIMITS) -> int:
    with pytest.raises(RequestError) as caught:
        parse_head(data, limits)
    assert caught.value.fatal
    return caught.value.status


class TestSkipLeadingCrlf:
    @pytest.mark.parametrize(
        ("buffer", "skipped"),
        [(b"", 0), (b"\r", 0), (b"\r\n", 2), (b"\r\n\r", 2), (b"\r\n\r\nGET", 4), (b"GET\r\n", 0), (b"\n\r\n", 0)],
    )
    def test_counts_complete_empty_lines(self, buffer: bytes, skipped: int) -> None:
        assert skip_leading_crlf(buffer) == skipped
        assert skip_leading_crlf(bytearray(buffer)) == skipped


class TestHeadEnd:
    def test_is_just_past_the_blank_line(self) -> None:
        data = head()
        assert head_end(data + b"GET /next", LIMITS) == len(data)

    @pytest.mark.parametrize("cut", range(len(head())))
    def test_is_minus_one_while_incomplete(self, cut: int) -> None:
        assert head_end(bytearray(head()[:cut]), LIMITS) == -1

    @pytest.mark.parametrize("searched", range(len(head())))
    def test_finds_it_from_wherever_the_last_look_ended(self, searched: int) -> None:
        assert head_end(head(), LIMITS, searched) == len(head())

    def test_sees_a_bare_cr_that_was_the_last_byte_before(self) -> None:
        data = b"GET / HTTP/1.1\r"
        assert head_end(data, LIMITS) == -1
        with pytest.raises(RequestError) as caught:
            head_end(data + b"X", LIMITS, len(data))
        assert caught.value.status == 400

    def test_does_not_read_again_what_was_searched(self) -> None:
        # A caller that says it has passed these bytes before isn't told about them again.
        data = b"GET /\x01 HTTP/1.1\r\nHost: localhost"
        assert head_end(data, LIMITS, len(data)) == -1

    @pytest.mark.parametrize("data", [b"\x16\x03\x01", b" GET", b"\x80", b"\n", b"\r\n", b"\rG", b"G\x00", b"G\n"])
    def test_refuses_at_once_what_cannot_become_a_request(self, data: bytes) -> None:
        with pytest.raises(RequestError) as caught:
            head_end(data, LIMITS)
        assert (caught.value.status, caught.value.fatal) == (400, True)

    def test_refuses_a_target_at_its_first_byte_too_many(self) -> None:
        fits = b"GET /" + b"a" * 49
        assert head_end(fits, LIMITS) == -1
        with pytest.raises(RequestError) as caught:
            head_end(fits + b"a", LIMITS)
        assert caught.value.status == 414

    def test_a_long_header_value_is_no_long_target(self) -> None:
        assert head_end(b"GET\r\nX: " + b"a" * 100, LIMITS) == -1

    def test_refuses_a_head_that_cannot_end_within_the_limit(self) -> None:
        data = head(b"X: " + b"a" * 300)
        assert head_end(data[:199], LIMITS) == -1
        with pytest.raises(RequestError) as caught:
            head_end(data[:200], LIMITS)
        assert caught.value.status == 431

    def test_a_head_that_ends_beyond_the_limit_is_refused_even_when_complete(self) -> None:
        with pytest.raises(RequestError) as caught:
            head_end(head(b"X: " + b"a" * 300), LIMITS)
        assert caught.value.status == 431

    def test_says_414_where_not_even_the_first_line_ends(self) -> None:
        with pytest.raises(RequestError) as caught:
            head_end(b"A" * 200, LIMITS)
        assert caught.value.status == 414


class TestParseHead:
    def test_an_ordinary_request(self) -> None:
        assert parse_head(head(b"Accept: */*", b"X-Two:  a b \t"), LIMITS) == Request(
            method=b"GET",
            target=b"/x",
            http_version=b"1.1",
            headers=((b"host", b"localhost"), (b"accept", b"*/*"), (b"x-two", b"a b")),
            keep_alive=True,
            body=NO_BODY,
        )

    def test_names_and_values_are_bytes(self) -> None:
        request = parse_head(head(), LIMITS)
        assert {type(part) for pair in request.headers for part in pair} == {bytes}
        assert (type(request.method), type(request.target)) == (bytes, bytes)

    @pytest.mark.parametrize(
        ("line", "connection", "expected"),
        [
            (b"GET / HTTP/1.1", b"", True),
            (b"GET / HTTP/1.1", b"keep-alive", True),
            (b"GET / HTTP/1.1", b"close", False),
            (b"GET / HTTP/1.1", b"x , Close", False),
            (b"GET / HTTP/1.1", b"keep-alive, close", False),
            (b"GET / HTTP/1.7", b"", True),
            (b"GET / HTTP/1.0", b"", False),
            (b"GET / HTTP/1.0", b"Keep-Alive", True),
            (b"GET / HTTP/1.0", b"keep-alive, close", False),
        ],
    )
    def test_keep_alive(self, line: bytes, connection: bytes, expected: bool) -> None:
        assert parse_head(head(b"Connection: " + connection, line=line), LIMITS).keep_alive is expected

    def test_a_higher_minor_version_is_read_as_1_1(self) -> None:
        assert parse_head(head(line=b"GET / HTTP/1.5"), LIMITS).http_version == b"1.1"

    @pytest.mark.parametrize(
        ("field", "body"),
        [
            (b"Content-Length: 5", BodyFraming(BodyKind.LENGTH, 5)),
            (b"Content-Length: 007", BodyFraming(BodyKind.LENGTH, 7)),
            (b"Content-Length: 0", NO_BODY),
            (b"Transfer-Encoding: chunked", CHUNKED_BODY),
            (b"Transfer-Encoding: Chunked", CHUNKED_BODY),
        ],
    )
    def test_body_framing(self, field: bytes, body: BodyFraming) -> None:
        assert parse_head(head(field), LIMITS).body == body

    def test_a_method_that_is_not_known_is_no_fault_of_the_head(self) -> None:
        assert parse_head(head(line=b"BREW / HTTP/1.1"), LIMITS).method == b"BREW"

    def test_the_number_of_header_lines_is_limited(self) -> None:
        assert len(parse_head(head(*[b"X: y"] * 4), LIMITS).headers) == 5
        assert refused(head(*[b"X: y"] * 5)) == 431

    def test_the_length_is_limited(self) -> None:
        data = head(b"X: " + b"a" * (200 - len(head(b"X: "))))
        assert len(data) == 200
        assert parse_head(data, LIMITS).target == b"/x"
        assert refused(data.replace(b"X: ", b"XX: ")) == 431

    def test_the_target_is_limited(self) -> None:
        assert parse_head(head(line=b"GET /" + b"a" * 49 + b" HTTP/1.1"), LIMITS).target == b"/" + b"a" * 49
        assert refused(head(line=b"GET /" + b"a" * 50 + b" HTTP/1.1")) == 414

    @pytest.mark.parametrize(
        ("data", "status"),
        [
            (b"", 400),
            (b"\r\n", 400),
            (b"\r\n\r\n", 400),
            (b"GET / HTTP/1.1", 400),
            (b"GET / HTTP/1.1\r\nHost: a\r\n", 400),
            (head() + b"X", 400),
            (head() + head(), 400),
            (head(line=b"GET / HTTP/3.0"), 505),
            (head(b"X : y"), 400),
            (head(b"X: a", b" b"), 400),
            (head(b"Host: other"), 400),
            (head(b"Content-Length: 5", b"Content-Length: 5"), 400),
            (head(b"Content-Length: 99999999999999999999"), 400),
            (head(b"Transfer-Encoding: chunked", b"Content-Length: 1"), 400),
            (head(b"Transfer-Encoding: br, chunked"), 501),
            (head(b"Transfer-Encoding: chunked", line=b"GET / HTTP/1.0"), 400),
        ],
    )
    def test_refuses(self, data: bytes, status: int) -> None:
        assert refused(data) == status


class TestTheReferenceParserHasTheLastWord:
    """Today the checks before h11 are stricter in everything; a later h11 may not be more lenient for it."""

    def test_what_it_refuses_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Refuses(h11.Connection):
            def next_event(self) -> h11.Request:
                raise h11.RemoteProtocolError("not like that", error_status_hint=431)

        monkeypatch.setattr(h11, "Connection", Refuses)
        assert refused(head()) == 431

    def test_what_is_no_request_to_it_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class NeedsMore(h11.Connection):
            def next_event(self) -> h11.ConnectionClosed:
                return h11.ConnectionClosed()

        monkeypatch.setattr(h11, "Connection", NeedsMore)
        assert refused(head()) == 400
