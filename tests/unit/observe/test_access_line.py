from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator

import pytest

from ktlsserve.observe.access_line import Access, CombinedFormat, JsonFormat

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


def access(**fields: object) -> Access:
    values: dict[str, object] = {
        "client": "192.0.2.7",
        "request_line": b"GET /a?b=c HTTP/1.1",
        "status": 200,
        "body_bytes": 2326,
        "when_s": WHEN_S,
    }
    return Access(**(values | fields))  # type: ignore[arg-type]


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
        entry = access(referer=b"https://a.example/", user_agent=b"curl/8.5.0")
        assert CombinedFormat().line(entry) == (
            b'192.0.2.7 - - [%b] "GET /a?b=c HTTP/1.1" 200 2326 "https://a.example/" "curl/8.5.0"\n' % expected
        )

    def test_what_is_absent(self) -> None:
        assert CombinedFormat().line(access(client="::1")).endswith(b'] "GET /a?b=c HTTP/1.1" 200 2326 "-" "-"\n')

    def test_time_follows(self) -> None:
        formatter = CombinedFormat()
        seconds = [formatter.line(access(when_s=WHEN_S + step))[25:50] for step in (0, 0.5, 1, 61, 0)]
        assert len(set(seconds)) == 3
        assert seconds[0] == seconds[1] == seconds[4]

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("field", ["request_line", "referer", "user_agent"])
    def test_nothing_breaks_out(self, field: str, text: bytes) -> None:
        line = CombinedFormat().line(access(**{field: b"<" + text + b">"}))
        assert re.fullmatch(rb'[0-9.]+ - - \[[^"\\]+\] "[ !#-~]*" 200 2326 "[ !#-~]*" "[ !#-~]*"\n', line)
        unescaped = re.sub(rb"\\x([0-9A-F]{2})", lambda match: bytes.fromhex(match[1].decode()), line)
        assert b"<" + text + b">" in unescaped

    def test_escapes_are_those_of_nginx(self) -> None:
        line = CombinedFormat().line(access(user_agent='a"b\\c\n\x7fü'.encode()))
        assert line.endswith(rb'"a\x22b\x5Cc\x0A\x7F\xC3\xBC"' + b"\n")

    def test_client_that_is_no_address(self) -> None:
        assert CombinedFormat().line(access(client='ü"\n')).startswith(rb"\x5Cxfc\x22\x0A - - [")


class TestJson:
    def test_line(self) -> None:
        entry = access(user_agent=b"curl/8.5.0", duration_s=0.00123, tls=("TLSv1.3", "TLS_AES_128_GCM_SHA256"))
        line = JsonFormat().line(entry)
        assert line.endswith(b"}\n")
        assert json.loads(line) == {
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
        }

    def test_without_tls(self) -> None:
        entry = json.loads(JsonFormat().line(access()))
        assert (entry["tls_version"], entry["tls_cipher"]) == (None, None)

    def test_time_follows(self) -> None:
        formatter = JsonFormat()
        times = [json.loads(formatter.line(access(when_s=WHEN_S + step)))["time"][-7:] for step in (0, 0.5, 1)]
        assert times == ["36.250Z", "36.750Z", "37.250Z"]

    @pytest.mark.parametrize("text", HOSTILE)
    @pytest.mark.parametrize("field", ["request_line", "referer", "user_agent"])
    def test_nothing_breaks_out(self, field: str, text: bytes) -> None:
        line = JsonFormat().line(access(**{field: b"<" + text + b">"}))
        assert line.isascii()
        assert line.count(b"\n") == 1
        key = "request" if field == "request_line" else field
        assert json.loads(line)[key] == (b"<" + text + b">").decode("utf-8", "backslashreplace")

    def test_client_that_is_no_address(self) -> None:
        assert json.loads(JsonFormat().line(access(client='ü"\udcff\n')))["client"] == 'ü"\\udcff\n'
