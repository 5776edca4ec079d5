from __future__ import annotations

import json
import re
import select
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from ktlsserve.observe import access_line
from ktlsserve.observe.access_line import Client, CombinedFormat, JsonFormat, LineFormat, RequestFields

WHEN_S = 971_211_336.25  # 2000-10-10 20:55:36.25 UTC

HOSTILE = [
    b'"',
    b"\\",
    b'\\"',
    b"\n",
    b"\r\n",
    b"\0",
    b"\x1b[2J",
    b"\x7f",
    b"\x85",
    b"\xff",
    "ü".encode(),
    "\u2028".encode(),
    b'" 200 5 "-" "-"\n1.2.3.4 - - [',
]


@pytest.fixture
def _time_zone(monkeypatch: pytest.MonkeyPatch, zone: str) -> Iterator[None]:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


FIELDS = RequestFields(b"GET /a?b=c HTTP/1.1")


def line(
    line_format: LineFormat,
    *,
    client: Client | str = "192.0.2.7",
    when_s: float = WHEN_S,
    duration_s: float = 0.0,
    fields: RequestFields = FIELDS,
) -> bytes:
    made = Client(client) if isinstance(client, str) else client
    written = line_format.write_client(made), line_format.write_reply(fields, 200, 2326)
    return line_format.line(*written, when_s, duration_s)


class TestRequestFields:
    def test_of_a_head(self) -> None:
        head = b"GET /a?b HTTP/1.1\r\nHost: a\r\nuser-AGENT:\ttester \r\nReferer:http://a/\r\nX-User-Agent: no\r\n\r\n"
        assert RequestFields.of(head) == RequestFields(b"GET /a?b HTTP/1.1", b"http://a/", b"tester")

    def test_what_is_absent(self) -> None:
        assert RequestFields.of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == RequestFields(b"GET / HTTP/1.1", None, None)

    def test_what_was_no_request(self) -> None:
        assert RequestFields.of(b"") == RequestFields(b"", None, None)

    def test_fields_are_not_taken_from_elsewhere(self) -> None:
        head = b"GET /user-agent:x HTTP/1.1\r\nHost: referer: y\r\n\r\n"
        assert RequestFields.of(head) == RequestFields(b"GET /user-agent:x HTTP/1.1", None, None)

    def test_cut(self) -> None:
        cut = RequestFields(b"GET /long HTTP/1.1", b"1234", None).cut(4)
        assert cut == RequestFields(b"GET ...", b"1234", None)


@pytest.mark.parametrize("code", range(256))
def test_what_needs_no_escape(code: int) -> None:
    assert access_line._is_plain(bytes((code,))) == (code in access_line._SAFE)
    assert access_line._is_plain(b"a" + bytes((code,)) + b"z") == (code in access_line._SAFE)


@pytest.mark.parametrize("made", [CombinedFormat(), JsonFormat()], ids=["combined", "json"])
@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::9"])
@pytest.mark.parametrize("own", ["192.0.2.7", "2001:db8::7", 'ü","x":"\n', ""])
def test_a_client_is_renamed(made: LineFormat, own: str, address: str) -> None:
    client = Client(own, "TLS 1.3", tls_path="kernel", tls_subject='CN="a, b",O=c')
    renamed = made.rename_client(made.write_client(client), ip_address(address))
    assert renamed == made.write_client(replace(client, address=address))


class TestCombined:
    @pytest.mark.parametrize(
        ("zone", "expected"),
        [
            ("UTC", b"10/Oct/2000:20:55:36 +0000"),
            ("PDT7", b"10/Oct/2000:13:55:36 -0700"),
            ("IST-5:30", b"11/Oct/2000:02:25:36 +0530"),
            ("NST3:30", b"10/Oct/2000:17:25:36 -0330"),
        ],
    )
    @pytest.mark.usefixtures("_time_zone")
    def test_line_with_local_time(self, expected: bytes) -> None:
        assert line(
            CombinedFormat(), fields=RequestFields(FIELDS.request_line, b"https://a.example/", b"curl/8.5.0")
        ) == (b'192.0.2.7 - - [%b] "GET /a?b=c HTTP/1.1" 200 2326 "https://a.example/" "curl/8.5.0"\n' % expected)

    def test_what_is_absent(self) -> None:
        assert line(CombinedFormat(), client="::1").endswith(b'] "GET /a?b=c HTTP/1.1" 200 2326 "-" "-"\n')

    def test_time_follows(self) -> None:
        formatter = CombinedFormat()
        seconds = [line(formatter, when_s=WHEN_S + step)[25:50] for step in (0, 0.5, 1, 61, 0)]
        assert len(set(seconds)) == 3
        assert seconds[0] == seconds[1] == seconds[4]

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("field", ["request_line", "referer", "user_agent"])
    def test_nothing_breaks_out(self, field: str, text: bytes) -> None:
        made = line(CombinedFormat(), fields=FIELDS._replace(**{field: b"<" + text + b">"}))
        assert re.fullmatch(rb'[0-9.]+ - - \[[^"\\]+\] "[ !#-~]*" 200 2326 "[ !#-~]*" "[ !#-~]*"\n', made)
        unescaped = re.sub(rb"\\x([0-9A-F]{2})", lambda match: bytes.fromhex(match[1].decode()), made)
        assert b"<" + text + b">" in unescaped

    def test_escapes_are_those_of_nginx(self) -> None:
        made = line(CombinedFormat(), fields=FIELDS._replace(user_agent='a"b\\c\n\x7fü'.encode()))
        assert made.endswith(rb'"a\x22b\x5Cc\x0A\x7F\xC3\xBC"' + b"\n")

    @pytest.mark.parametrize(
        ("subject", "user"),
        [
            (None, b"-"),
            ("", b"-"),
            ("CN=alice,O=Example", b"CN=alice,O=Example"),
            ("CN=Alice A,O=a\\,b", rb"CN=Alice\x20A,O=a\x5C,b"),
            ("CN=ü", rb"CN=\xC3\xBC"),
            ('CN=" [', rb"CN=\x22\x20["),
        ],
    )
    def test_the_user_is_the_certificates_subject(self, subject: str | None, user: bytes) -> None:
        made = line(CombinedFormat(), client=Client("192.0.2.7", tls_subject=subject))
        assert made.startswith(b"192.0.2.7 - " + user + b" [10/Oct/2000:")

    @pytest.mark.parametrize("character", ["x", "\0", "\xff", "\u20ac", "\U0001f600", '"'])
    def test_a_long_subject_leaves_room_for_the_rest(self, character: str) -> None:
        made = line(CombinedFormat(), client=Client("192.0.2.7", tls_subject=character * 5000))
        assert len(made) < select.PIPE_BUF // 2
        assert made.split(b" [")[0].endswith(b"...")

    def test_client_that_is_no_address(self) -> None:
        assert line(CombinedFormat(), client='ü"\n').startswith(rb"\x5Cxfc\x22\x0A - - [")


class TestJson:
    def test_line(self) -> None:
        client = Client(
            "192.0.2.7",
            tls_version="TLSv1.3",
            tls_cipher="TLS_AES_128_GCM_SHA256",
            tls_path="kernel",
            tls_resumed=False,
            tls_handshake_s=0.0012345678,
            tls_subject="CN=alice,O=Example",
        )
        made = line(JsonFormat(), client=client, fields=FIELDS._replace(user_agent=b"curl/8.5.0"), duration_s=0.00123)
        assert made.endswith(b"}\n")
        assert json.loads(made) == {
            "time": "2000-10-10T20:55:36.250Z",
            "client": "192.0.2.7",
            "request": "GET /a?b=c HTTP/1.1",
            "status": 200,
            "bytes": 2326,
            "referer": None,
            "user_agent": "curl/8.5.0",
            "duration_s": 0.00123,
            "tls_version": "TLSv1.3",
            "tls_cipher": "TLS_AES_128_GCM_SHA256",
            "tls_path": "kernel",
            "tls_resumed": False,
            "tls_handshake_s": 0.001235,
            "tls_subject": "CN=alice,O=Example",
        }

    def test_without_tls(self) -> None:
        entry = json.loads(line(JsonFormat()))
        tls = ("tls_version", "tls_cipher", "tls_path", "tls_resumed", "tls_handshake_s", "tls_subject")
        assert [entry[key] for key in tls] == [None] * len(tls)

    @pytest.mark.parametrize("text", HOSTILE)
    def test_no_subject_breaks_out(self, text: bytes) -> None:
        subject = f"CN=<{text.decode('utf-8', 'surrogateescape')}>"
        made = line(JsonFormat(), client=Client("192.0.2.7", tls_subject=subject))
        assert made.isascii()
        assert made.count(b"\n") == 1
        assert json.loads(made)["tls_subject"] == subject.encode("utf-8", "backslashreplace").decode()

    @pytest.mark.parametrize("character", ["x", "\0", "\xff", "\u20ac", "\U0001f600", '"'])
    def test_a_long_subject_leaves_room_for_the_rest(self, character: str) -> None:
        made = line(JsonFormat(), client=Client("192.0.2.7", tls_subject=character * 5000))
        assert len(made) < select.PIPE_BUF // 2
        assert json.loads(made)["tls_subject"].endswith("...")

    def test_time_follows(self) -> None:
        formatter = JsonFormat()
        times = [json.loads(line(formatter, when_s=WHEN_S + step))["time"][-7:] for step in (0, 0.5, 1)]
        assert times == ["36.250Z", "36.750Z", "37.250Z"]

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("field", ["request_line", "referer", "user_agent"])
    def test_nothing_breaks_out(self, field: str, text: bytes) -> None:
        made = line(JsonFormat(), fields=FIELDS._replace(**{field: b"<" + text + b">"}))
        assert made.isascii()
        assert made.count(b"\n") == 1
        key = "request" if field == "request_line" else field
        assert json.loads(made)[key] == (b"<" + text + b">").decode("utf-8", "backslashreplace")

    def test_client_that_is_no_address(self) -> None:
        assert json.loads(line(JsonFormat(), client='ü"\udcff\n'))["client"] == 'ü"\\udcff\n'
