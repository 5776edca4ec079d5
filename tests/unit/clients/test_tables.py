from __future__ import annotations

from ktlsserve.clients.tables import SharedTables
from ktlsserve.config import Limits

CLIENT = b"\x7f\0\0\1"


def test_nothing_is_made_for_what_is_not_limited() -> None:
    tables = SharedTables(Limits(), 4).of_worker(3)
    assert (tables.connections, tables.rates) == (None, None)


def test_workers_share_what_is() -> None:
    shared = SharedTables(Limits(connections_per_client=5, requests_per_second=1, requests_burst=1), 2)
    one, other = shared.of_worker(0), shared.of_worker(1)
    assert one.connections is not None
    assert other.connections is not None
    one.connections.add(CLIENT)
    assert other.connections.count(CLIENT) == 1
    assert one.rates is not None
    assert other.rates is not None
    assert (one.rates.take(CLIENT, 1.0), other.rates.take(CLIENT, 1.0)) == (0, 1)
