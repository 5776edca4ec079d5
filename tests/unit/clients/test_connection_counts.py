"""A few clients by hand; any sequence of additions and removals is in tests/property/test_clients.py."""

from __future__ import annotations

import os

import pytest

from ktlsserve.clients.connection_counts import ConnectionCounts

ONE, OTHER = b"\x7f\0\0\1", b"\x7f\0\0\2"


def test_a_client_has_the_connections_of_all_workers() -> None:
    counts = ConnectionCounts(3, 10)
    regions = [counts.region(number) for number in range(3)]
    for region in (regions[0], regions[0], regions[2]):
        region.add(ONE)
    regions[1].add(OTHER)
    assert [region.count(ONE) for region in regions] == [3, 3, 3]
    assert [region.count(OTHER) for region in regions] == [1, 1, 1]
    regions[0].remove(ONE)
    assert regions[1].count(ONE) == 2


def test_a_successor_begins_without_the_connections_of_the_dead() -> None:
    counts = ConnectionCounts(2, 10)
    dead, alive = counts.region(0), counts.region(1)
    dead.add(ONE)
    alive.add(ONE)
    successor = counts.region(0)
    assert (successor.count(ONE), alive.count(ONE)) == (1, 1)
    alive.remove(ONE)
    assert successor.count(ONE) == 0


def test_processes_that_are_forked_see_each_other() -> None:
    counts = ConnectionCounts(2, 10)
    mine = counts.region(0)
    pid = os.fork()
    if pid == 0:
        try:
            region = counts.region(1)
            region.add(ONE)
            region.add(ONE)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert (mine.count(ONE), mine.count(OTHER)) == (2, 0)


def test_there_is_room_for_as_many_clients_as_connections() -> None:
    region = ConnectionCounts(1, 100).region(0)
    clients = [number.to_bytes(4, "big") for number in range(100)]
    for client in clients:
        region.add(client)
    assert [region.count(client) for client in clients] == [1] * 100
    assert region.count(b"\xff" * 4) == 0


@pytest.mark.parametrize("client", [ONE, b"\x20\x01\x0d\xb8\0\0\0\0"])
def test_removing_what_was_never_added_changes_nothing(client: bytes) -> None:
    region = ConnectionCounts(1, 4).region(0)
    region.remove(client)
    assert region.count(client) == 0
