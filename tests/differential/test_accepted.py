from __future__ import annotations

import pytest

from tests.differential.accepted import TABLE, load_accepted, outlived, unexplained
from tests.differential.asking import Answer, parse_statuses
from tests.differential.comparing import Difference, differences

NOW = (1, 22)
ONE = Difference("GET /a | Range: x", "status", "200", "416")
ENTRY = """
[[difference]]
name = "a malformed range"
aspects = ["status"]
ours = "20[06]"
theirs = "416"
requests = "Range: x$"
because = "It may be ignored."
rfc = "RFC 9110 section 14.2"
"""


def test_what_an_entry_covers_is_explained() -> None:
    assert unexplained([ONE], load_accepted(ENTRY, NOW)) == []
    assert outlived([ONE], load_accepted(ENTRY, NOW)) == []


@pytest.mark.parametrize(
    "other",
    [
        Difference("GET /a | Range: xy", "status", "200", "416"),
        Difference("GET /a | Range: x", "body", "200", "416"),
        Difference("GET /a | Range: x", "status", "404", "416"),
        Difference("GET /a | Range: x", "status", "200", "4166"),
    ],
)
def test_what_it_does_not_cover_is_not(other: Difference) -> None:
    (line,) = unexplained([ONE, other, other], load_accepted(ENTRY, NOW))
    assert "2 times" in line
    assert outlived([other], load_accepted(ENTRY, NOW)) == ["a malformed range"]


@pytest.mark.parametrize("change", [("section 14.2", "14.2"), ("It may be ignored.", ""), ("because", "why")])
def test_an_entry_without_its_reason_is_refused(change: tuple[str, str]) -> None:
    with pytest.raises((AssertionError, KeyError)):
        load_accepted(ENTRY.replace(*change), NOW)


@pytest.mark.parametrize(
    ("bounds", "holds"),
    [('since = "1.22"', True), ('since = "1.23"', False), ('until = "1.22"', True), ('until = "1.9"', False)],
)
def test_an_entry_holds_for_some_versions(bounds: str, holds: bool) -> None:
    assert len(load_accepted(f"{ENTRY}{bounds}\n", NOW)) == holds


def test_the_table_has_each_name_once() -> None:
    names = [entry.name for entry in load_accepted(TABLE.read_text(encoding="utf-8"), NOW)]
    assert len(names) == len(set(names)) > 60


def answer(status: int, body: bytes = b"", **fields: str) -> Answer:
    return Answer(status, tuple((name.replace("_", "-"), value) for name, value in fields.items()), body)


def test_what_is_a_servers_own_is_no_difference() -> None:
    ours = answer(200, b"x", date="a", server="b", etag='"c"')
    assert differences("", ours, answer(200, b"x", date="d", server="e", etag='"f"')) == []
    assert [found.aspect for found in differences("", ours, answer(200, b"y", date="d", etag='W/"c"'))] == [
        "date",
        "etag",
        "server",
        "body",
    ][1:]


def test_multipart_bodies_are_compared_by_their_parts() -> None:
    def multipart(boundary: str, content: str, before: str = "") -> Answer:
        part = f"--{boundary}\r\nContent-Range: bytes 0-0/2\r\n\r\n{content}\r\n--{boundary}--\r\n"
        kind = f"multipart/byteranges; boundary={boundary}"
        return answer(206, (before + part).encode(), content_type=kind, content_length=str(len(before + part)))

    assert differences("", multipart("a", "0"), multipart("bcd", "0", "\r\n")) == []
    (found,) = differences("", multipart("a", "0"), multipart("a", "1"))
    assert (found.aspect, "b'0'" in found.ours, "b'1'" in found.theirs) == ("parts", True, True)


def test_where_the_statuses_differ_nothing_else_is_told() -> None:
    assert differences("r", answer(200, b"x", etag='"c"'), answer(404)) == [Difference("r", "status", "200", "404")]


def test_responses_behind_each_other() -> None:
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"
    assert parse_statuses(one + b"HTTP/1.1 304 Not Modified\r\n\r\n" + one) == ["200", "304", "200"]
    assert parse_statuses(one + b"<html>") == ["200", "no head"]
    assert parse_statuses(one[:-1]) == ["200", "a part of a body"]
    assert parse_statuses(b"") == []
