from __future__ import annotations

import json
from random import Random

from loadtests.users.tally import HANDSHAKE, Tally, unpack_tally

EVENTS = [
    ("GET", "page", 1.5, 100, "HTTP/3", ""),
    ("GET", "page", 2.5, 50, "HTTP/3", "/a: 50 bytes, not 100"),
    ("GET", "video", 80.0, 9_000, "HTTP/3", ""),
    ("GET", "video", 0.0, 0, "", "no answer"),
    (HANDSHAKE, "QUIC", 12.0, 0, "", ""),
] * 20


def counted(events: list[tuple[str, str, float, int, str, str]]) -> Tally:
    tally = Tally()
    for kind, name, time_ms, length_bytes, protocol, error in events:
        tally.count(kind, name, time_ms, length_bytes, protocol=protocol, error=error)
    return tally


def test_what_is_counted() -> None:
    tally = counted(EVENTS)
    page = tally.rows["page"]
    assert (page.requests, page.failures, page.bytes) == (40, 20, 3000)
    # A wrong answer is quick or slow for reasons of its own.
    assert page.times.count == 20
    assert tally.rows.keys() == {"page", "video"}
    assert tally.handshakes["QUIC"].requests == 20
    assert tally.protocols == {"HTTP/3": 60}
    assert tally.errors == {("page", "/a: 50 bytes, not 100"): 20, ("video", "no answer"): 20}


def test_the_sum_of_the_parts_is_the_whole_in_any_order() -> None:
    """As it goes through a message, too."""
    chance = Random(1)
    events = EVENTS.copy()
    chance.shuffle(events)
    parts = [counted(events[start : start + 7]) for start in range(0, len(events), 7)]
    chance.shuffle(parts)
    whole = Tally()
    for part in parts:
        whole.merge(unpack_tally(json.loads(json.dumps(part.pack()))))
    assert whole == counted(EVENTS)


def test_a_part_that_was_sent_counts_no_more() -> None:
    tally = counted(EVENTS)
    tally.clear()
    assert tally == Tally()


def test_errors_that_are_too_many_are_counted_together() -> None:
    tally = Tally()
    for number in range(1500):
        tally.count("GET", "page", 1, 0, error=f"/{number}: status 404, not 200")
    assert len(tally.errors) <= 1001
    assert tally.errors.total() == 1500
    assert tally.rows["page"].failures == 1500
