"""What shared tables say of clients is what plain dictionaries and buckets would, for any sequence of events."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.clients import connection_counts
from ktlsserve.clients.connection_counts import ConnectionCounts
from ktlsserve.clients.request_rates import RequestRates

WORKERS = 3
CONNECTIONS = 12
CLIENTS = st.integers(0, 15).map(lambda number: number.to_bytes(4, "big"))
# Few homes in the table, so that clients stand in each other's way.
CROWDED = st.lists(st.integers(0, 3), min_size=16, max_size=16)


@given(CROWDED, st.lists(st.tuples(st.integers(0, WORKERS - 1), CLIENTS, st.booleans()), max_size=150))
def test_connections_are_counted_as_by_a_counter(homes: list[int], events: list[tuple[int, bytes, bool]]) -> None:
    def crowded_hash(client: bytes) -> int:
        number = int.from_bytes(client, "big")
        # Home 31 is the last slot, behind which the first one comes.
        return number << 20 | (homes[number] + 29) % 32

    with patch.object(connection_counts, "_hash", crowded_hash):
        counts = ConnectionCounts(WORKERS, CONNECTIONS)
        regions = [counts.region(number) for number in range(WORKERS)]
        model = [Counter[bytes]() for _ in range(WORKERS)]
        for worker, client, comes in events:
            if comes and model[worker].total() < CONNECTIONS:
                regions[worker].add(client)
                model[worker][client] += 1
            elif not comes and model[worker][client]:
                regions[worker].remove(client)
                model[worker][client] -= 1
            total = sum((each for each in model), Counter[bytes]())
            for number in range(16):
                asked = number.to_bytes(4, "big")
                assert regions[worker].count(asked) == total[asked]
        # When all have gone, nothing is left in the table.
        for region, counter in zip(regions, model, strict=True):
            for client in counter.elements():
                region.remove(client)
        assert not any(word for region in regions for word in region._own)


@dataclass
class Bucket:
    """A token bucket as textbooks have it. Time is in eighths of a second, which binary fractions hold exactly."""

    burst: int
    per_second: int
    filled_eighths: int
    last: int

    def take(self, now: int) -> bool:
        self.filled_eighths = min(8 * self.burst, self.filled_eighths + (now - self.last) * self.per_second)
        self.last = now
        if self.filled_eighths < 8:
            return False
        self.filled_eighths -= 8
        return True


# Rates whose interval is a whole number of nanoseconds.
@given(
    st.sampled_from([1, 2, 5, 10, 50, 1000]),
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 20), CLIENTS), max_size=200),
)
def test_a_bucket_gives_what_the_textbook_says(per_second: int, burst: int, events: list[tuple[int, bytes]]) -> None:
    rates = RequestRates(per_second, burst)
    buckets: dict[bytes, Bucket] = {}
    now = 8000
    for pause, client in events:
        # Many at once, some later.
        now += max(0, pause - 12)
        bucket = buckets.setdefault(client, Bucket(burst, per_second, 8 * burst, now))
        wait_s = rates.take(client, now / 8)
        assert (wait_s == 0) == bucket.take(now)
        # Whoever waits as long as it was told gets one.
        if wait_s:
            assert bucket.filled_eighths + wait_s * 8 * per_second >= 8
            assert bucket.filled_eighths + (wait_s - 1) * 8 * per_second < 8


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2)), max_size=300))
def test_a_small_table_never_refuses_what_a_bucket_would_give(events: list[tuple[int, int]]) -> None:
    """Clients beyond its room may get more than their rate, and never less."""
    rates = RequestRates(1, 2, sets=2)
    buckets: dict[int, Bucket] = {}
    now = 8000
    words = len(rates._clients) + len(rates._full_ns)
    for number, pause_s in events:
        now += 8 * pause_s
        given_by_model = buckets.setdefault(number, Bucket(2, 1, 16, now)).take(now)
        taken = rates.take(number.to_bytes(4, "big"), now / 8) == 0
        assert taken or not given_by_model
        if taken and not given_by_model:
            buckets[number].filled_eighths = 0
    assert len(rates._clients) + len(rates._full_ns) == words
