"""The corpus: requests and the responses that they must get, as TOML files in tests/corpus.

A case holds what one client sends over one connection, and what it must receive::

    [[case]]
    name = "two requests in one piece"
    send = ["GET /hello.txt HTTP/1.1", "Host: localhost", "", "HEAD / HTTP/1.1", "Host: localhost", "", ""]
    expect = [{ status = 200, body = "hello, world\\n" }, { status = 200, head = true, headers = { ETag = '"..."' } }]

``send`` is a list of lines, joined with CRLF (so two empty strings at its end make the blank line), or one string of
raw bytes; characters are octets (Latin-1). A line may also be ``{ before, repeat, times, after }``. Most cases are one
request with one response, and have a short form::

    [[case]]
    name = "nothing by this name"
    get = "/missing"                # or head = ...; a Host is added
    fields = ["Accept: text/html"]  # further header lines, none by default
    status = 404                    # what ``expect`` holds, for the only response

``expect`` lists the responses: ``status`` (one, or a list of acceptable ones), ``body`` (exact octets), ``contains``
(octets somewhere in the body), ``headers`` (exact values; a list of strings means that many lines), ``absent`` (fields
that must not be there), ``head`` (a response to HEAD, so without a body). ``closes`` tells whether the server ends the
connection after the last response, which it doesn't by default. ``needs = "disk"`` demands a real file system,
``needs = "precompressed"`` a site that serves zstd, br and gzip siblings, in this order; ``needs = "content"`` one
whose entity-tags are made of content; all others one that does neither.

The same files are replayed over the pure core and over real sockets; nothing here knows which.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent.parent / "corpus"

# Statuses without a body, whatever the head says (RFC 9112 section 6.3).
_BODILESS = (204, 304)
_EXPECT_KEYS = {"status", "body", "contains", "headers", "absent", "head"}
_LONG_KEYS = {"name", "send", "expect", "closes", "needs"}
_SHORT_KEYS = {"name", "get", "head", "fields", "closes", "needs"} | _EXPECT_KEYS


@dataclass(frozen=True)
class Expected:
    """What one response must be; None means that it doesn't matter."""

    statuses: tuple[int, ...]
    head: bool = False
    body: bytes | None = None
    contains: bytes = b""
    headers: dict[bytes, list[bytes]] = field(default_factory=dict)
    absent: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Case:
    """One connection: the bytes sent, the responses expected, and whether it ends."""

    group: str
    name: str
    send: bytes
    expect: tuple[Expected, ...]
    closes: bool
    needs: str | None

    def __str__(self) -> str:
        return f"{self.group}: {self.name}"

    def heads(self) -> list[bool]:
        """Tell for each response whether it answers a HEAD, as :func:`parse_responses` needs to know."""
        return [expected.head for expected in self.expect]


@dataclass(frozen=True)
class Response:
    """One response off the wire."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        return [value for field_name, value in self.headers if field_name.lower() == name.lower()]


def load_cases(folder: Path = CORPUS) -> list[Case]:
    """Read every case of every file, in order of file names; unknown keys and double names are errors."""
    cases = [
        _case(path.stem, table)
        for path in sorted(folder.glob("*.toml"))
        for table in tomllib.loads(path.read_text(encoding="utf-8"))["case"]
    ]
    names = [str(case) for case in cases]
    doubles = {name for name in names if names.count(name) > 1}
    assert not doubles, f"named twice: {doubles}"
    return cases


def parse_responses(data: bytes, heads: list[bool]) -> tuple[list[Response], bytes]:
    """Split what a server sent into responses; return them and the bytes of an unfinished one.

    ``heads`` tells which of them answer a HEAD; those beyond its end don't.
    """
    responses: list[Response] = []
    while True:
        head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank:
            return responses, data
        status_line, *lines = head.split(b"\r\n")
        version, status, _ = status_line.split(b" ", 2)
        assert version == b"HTTP/1.1", status_line
        headers = tuple((name, value) for name, _, value in (line.partition(b": ") for line in lines))
        assert all(name and b" " not in name for name, _ in headers), head
        response = Response(int(status), headers, b"")
        is_head = heads[len(responses)] if len(responses) < len(heads) else False
        length = 0
        if not is_head and response.status not in _BODILESS:
            length = int(response.values(b"content-length")[0])
        if len(rest) < length:
            return responses, data
        responses.append(Response(response.status, headers, rest[:length]))
        data = rest[length:]


def mismatches(case: Case, responses: list[Response], *, closed: bool) -> list[str]:
    """Compare what came with what was expected; each difference is one line of text."""
    found = [
        f"response {number}: {text}"
        for number, (expected, response) in enumerate(zip(case.expect, responses, strict=False), 1)
        for text in _differences(expected, response)
    ]
    if len(responses) != len(case.expect):
        statuses = [response.status for response in responses]
        found.append(f"{len(case.expect)} responses expected, {len(responses)} came: {statuses}")
    if closed != case.closes:
        found.append(f"connection {'closed' if closed else 'left open'}")
    return found


def _differences(expected: Expected, response: Response) -> list[str]:
    found = []
    if response.status not in expected.statuses:
        found.append(f"status {response.status}, expected {expected.statuses}")
    if expected.body is not None and response.body != expected.body:
        found.append(f"body {response.body[:80]!r}, expected {expected.body[:80]!r}")
    if expected.contains not in response.body:
        found.append(f"body {response.body[:80]!r} lacks {expected.contains!r}")
    for name, values in expected.headers.items():
        if response.values(name) != values:
            found.append(f"{name!r} {response.values(name)}, expected {values}")
    found += [f"{name!r} is there" for name in expected.absent if response.values(name)]
    return found


def _case(group: str, table: dict[str, Any]) -> Case:
    long = "send" in table
    unknown = set(table) - (_LONG_KEYS if long else _SHORT_KEYS)
    assert not unknown, f"{group}: {table.get('name')}: unknown keys {unknown}"
    if long:
        send = table["send"]
        raw = _octets(send) if isinstance(send, str) else b"\r\n".join(map(_line, send))
        expect = tuple(map(_expected, table["expect"]))
    else:
        method = "GET" if "get" in table else "HEAD"
        line = f"{method} {table[method.lower()]} HTTP/1.1"
        raw = _octets("\r\n".join([line, "Host: localhost", *table.get("fields", []), "", ""]))
        expected = {key: table[key] for key in _EXPECT_KEYS & set(table)}
        expect = (_expected({**expected, "head": method == "HEAD"}),)
    return Case(group, table["name"], raw, expect, table.get("closes", False), table.get("needs"))


def _line(line: str | dict[str, Any]) -> bytes:
    if isinstance(line, str):
        return _octets(line)
    times: int = line["times"]
    return _octets(line.get("before", "")) + _octets(line["repeat"]) * times + _octets(line.get("after", ""))


def _expected(table: dict[str, Any]) -> Expected:
    unknown = set(table) - _EXPECT_KEYS
    assert not unknown, f"unknown keys {unknown}"
    status = table["status"]
    headers = {
        _octets(name): [_octets(value)] if isinstance(value, str) else [_octets(line) for line in value]
        for name, value in table.get("headers", {}).items()
    }
    return Expected(
        statuses=(status,) if isinstance(status, int) else tuple(status),
        head=table.get("head", False),
        body=_octets(table["body"]) if "body" in table else None,
        contains=_octets(table.get("contains", "")),
        headers=headers,
        absent=tuple(_octets(name) for name in table.get("absent", [])),
    )


def _octets(text: str) -> bytes:
    return text.encode("latin-1")
