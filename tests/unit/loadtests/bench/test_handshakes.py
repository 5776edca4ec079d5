from __future__ import annotations

import pytest

from loadtests.bench.errors import RunFailed
from loadtests.bench.handshakes import parse

OUTPUT = """Collecting connection statistics for 1 seconds
*****

1203 connections in 0.55s; 2187.27 connections/user sec, bytes read 0
{} connections in 2 real seconds, 0 bytes read per connection
"""


def test_a_count() -> None:
    assert parse(OUTPUT.format(1203)) == 1203


@pytest.mark.parametrize("output", ["", "ERROR\n", OUTPUT.format(0)])
def test_no_connection_is_no_figure(output: str) -> None:
    with pytest.raises(RunFailed, match="made no connection"):
        parse(output)
