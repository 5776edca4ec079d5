"""Buckets by hand; what a naive model says of any sequence of requests is in tests/property/test_clients.py."""

from __future__ import annotations

import os

from ktlsserve.clients.request_rates import RequestRates

ONE, OTHER = b"\x7f\0\0\1", b"\x7f\0\0\2"


def test_a_burst_and_then_the_rate() -> None:
    rates = RequestRates(per_second=2, burst=3)
    assert [rates.take(ONE, 100.0) for _ in range(4)] == [0, 0, 0, 1]
    # Whoever is refused isn't charged for it.
    assert [rates.take(ONE, now_s) for now_s in (100.4, 100.5, 100.5, 101.0)] == [1, 0, 1, 0]
    # A bucket holds no more than a burst.
    assert [rates.take(ONE, 1000.0) for _ in range(4)] == [0, 0, 0, 1]


def test_clients_have_buckets_of_their_own() -> None:
    rates = RequestRates(per_second=1, burst=1)
    assert [rates.take(client, 5.0) for client in (ONE, OTHER, ONE, OTHER)] == [0, 0, 1, 1]


def test_the_wait_is_rounded_up() -> None:
    slow = RequestRates(per_second=1, burst=5)
    for _ in range(5):
        assert slow.take(ONE, 50.0) == 0
    assert [slow.take(ONE, now_s) for now_s in (50.0, 50.001, 50.999, 51.0)] == [1, 1, 1, 0]


def test_the_table_is_bounded_and_forgets_whose_bucket_is_full_first() -> None:
    rates = RequestRates(per_second=1, burst=10, sets=1)
    clients = [bytes([number]) * 4 for number in range(9)]
    for spent, client in enumerate(clients[:8], start=2):
        for _ in range(spent):
            rates.take(client, 7.0)
    # The ninth takes the place of the one that has spent least, and nobody else's.
    assert rates.take(clients[8], 7.0) == 0
    left = []
    for client in clients[1:8]:
        left.append(0)
        while rates.take(client, 7.0) == 0:
            left[-1] += 1
    assert left == [7, 6, 5, 4, 3, 2, 1]


def test_processes_share_a_bucket() -> None:
    rates = RequestRates(per_second=1, burst=4)
    pid = os.fork()
    if pid == 0:
        try:
            for _ in range(3):
                rates.take(ONE, 9.0)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert [rates.take(ONE, 9.0) for _ in range(2)] == [0, 1]
