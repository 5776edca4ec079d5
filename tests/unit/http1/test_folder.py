from __future__ import annotations

import pytest

from ktlsserve.http1.folder import Entry, Folder, Order, SortKey, in_order, parse_order

ENTRIES = (
    Entry(b"beta", False, 5, 30),
    Entry(b"Alpha", False, 9, 20),
    Entry(b"alpha", False, 5, 10),
    Entry(b"zoo", True, 4096, 1),
    Entry(b"Bin", True, 9000, 2),
    Entry(b"\xe9t\xe9", False, 0, 30),
)


def names(order: Order) -> bytes:
    return b" ".join(entry.name for entry in in_order(Folder(b"", ENTRIES), order))


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(), b"Bin zoo Alpha alpha beta \xe9t\xe9"),
        (Order(SortKey.NAME, descending=True), b"zoo Bin \xe9t\xe9 beta alpha Alpha"),
        (Order(SortKey.SIZE), b"Bin zoo \xe9t\xe9 alpha beta Alpha"),
        (Order(SortKey.SIZE, descending=True), b"Bin zoo Alpha alpha beta \xe9t\xe9"),
        (Order(SortKey.TIME), b"zoo Bin alpha Alpha beta \xe9t\xe9"),
        (Order(SortKey.TIME, descending=True), b"Bin zoo beta \xe9t\xe9 Alpha alpha"),
    ],
)
def test_folders_come_first_and_equals_by_name(order: Order, expected: bytes) -> None:
    assert names(order) == expected


@pytest.mark.parametrize("key", SortKey)
@pytest.mark.parametrize("descending", [False, True])
def test_an_order_is_what_its_query_asks_for(key: SortKey, descending: bool) -> None:
    assert parse_order(Order(key, descending).query().encode()) == Order(key, descending)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (None, Order()),
        (b"", Order()),
        (b"sort=size", Order(SortKey.SIZE)),
        (b"order=desc", Order(SortKey.NAME, descending=True)),
        (b"order=desc&sort=time", Order(SortKey.TIME, descending=True)),
        (b"utm_source=x&sort=time&v=%ff", Order(SortKey.TIME)),
        (b"sort=time&sort=size", Order(SortKey.TIME)),
        (b"sort=SIZE&order=down", Order()),
        (b"sort&order", Order()),
        (b"sort=size&" + b"&".join([b"x=1"] * 20), Order()),
    ],
)
def test_what_means_nothing_is_ignored(query: bytes | None, expected: Order) -> None:
    assert parse_order(query) == expected
