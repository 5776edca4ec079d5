from __future__ import annotations

from typing import get_args

import pytest

from ktlsserve.config.tls import GroupName
from ktlsserve.http1.reply import REASON_PHRASES
from ktlsserve.observe import counters as module
from ktlsserve.observe.counters import (
    BUCKETS_S,
    DURATIONS,
    GAUGES,
    GROUPS,
    HANDSHAKES,
    NO_GROUP,
    NO_SITE,
    OPEN,
    REDIRECT,
    Counters,
    Labels,
    add_up,
    duration_cell,
)
from ktlsserve.tls.suites import SUITES


def test_no_two_counts_share_a_cell() -> None:
    made = Counters(["a.example", "b.example"])
    cells = [cell for family in made.families.values() for cell in family.values()]
    assert sorted(cells) == list(range(made.size))


def test_every_site_has_a_count_for_every_status_remembered_or_not() -> None:
    made = Counters(["a.example", "a.example", "b.example"])
    sites = {NO_SITE, REDIRECT, "a.example", "b.example"}
    assert set(made.requests) == {(site, status) for site in sites for status in REASON_PHRASES}
    remembered = made.families["requests_remembered"]
    for (site, status), cell in made.requests.items():
        assert remembered[site, str(status)] == cell + made.remembered_offset


def test_every_handshake_that_can_be_configured_has_a_count() -> None:
    assert set(GROUPS.values()) == set(get_args(GroupName))
    for suite in SUITES:
        for group in (*GROUPS.values(), NO_GROUP):
            for resumed in ("no", "yes"):
                assert (suite.version.label, suite.cipher.label, group, resumed) in HANDSHAKES


@pytest.mark.parametrize(
    ("seconds", "bucket"),
    [(0.0, "0.001"), (0.001, "0.001"), (0.0011, "0.0025"), (10.0, "10.0"), (10.1, "+Inf"), (3600.0, "+Inf")],
)
def test_a_duration_falls_into_the_first_bucket_that_holds_it(seconds: float, bucket: str) -> None:
    assert duration_cell(seconds) == DURATIONS[(bucket,)]


def test_buckets_rise() -> None:
    assert list(BUCKETS_S) == sorted(set(BUCKETS_S))


def test_a_successor_counts_on_but_what_is_now_begins_anew() -> None:
    made = Counters()
    begun = made.begin([7] * made.size)
    gauges = {cell for name in GAUGES for cell in made.families[name].values()}
    assert gauges == set(OPEN.values())
    assert [cell for cell in range(made.size) if begun[cell] == 0] == sorted(gauges)
    assert set(begun) == {0, 7}


def test_counts_are_found_by_their_labels() -> None:
    made = Counters(["a.example"])
    counts = [0] * made.size
    counts[module.ACCEPTED] = 3
    counts[made.requests["a.example", 404]] = 2
    families = made.by_family(counts)
    assert families["connections_accepted"] == {(): 3}
    assert families["requests_worked_out"]["a.example", "404"] == 2
    assert sum(sum(family.values()) for family in families.values()) == 5


def test_sums_keep_labels_that_only_one_has() -> None:
    sums: dict[str, dict[Labels, int]] = {"x": {("a",): 1}}
    add_up(sums, {"x": {("a",): 2, ("b",): 3}, "y": {(): 4}})
    assert sums == {"x": {("a",): 3, ("b",): 3}, "y": {(): 4}}
