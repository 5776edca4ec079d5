"""What the network namespace counts: segments that TCP sent again, datagrams that UDP dropped.

Sources: /proc/net/snmp (RFC 2012, RFC 2013 and Linux's additions), for IPv4: the run uses 127.0.0.1 alone. On the
loopback both ends are here, so a drop at the client's receive buffer counts as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Self

_SNMP = Path("/proc/net/snmp")


def parse_snmp(text: str) -> dict[str, int]:
    """Read pairs of lines, names then values, as ``Udp.RcvbufErrors: 3``; raises ValueError where they don't match."""
    found: dict[str, int] = {}
    lines = text.splitlines()
    for names, values in list(pairwise(lines))[::2]:
        table, *fields = names.split()
        other, *numbers = values.split()
        if table != other or len(fields) != len(numbers):
            raise ValueError(f"not the values of {names!r}: {values!r}")
        found |= {f"{table.rstrip(':')}.{field}": int(number) for field, number in zip(fields, numbers, strict=True)}
    return found


@dataclass(frozen=True, slots=True)
class NetworkCounts:
    """What has been counted since the namespace was made, or between two moments."""

    tcp_retransmits: int
    udp_drops: int

    @classmethod
    def read(cls) -> Self:
        """Read what this process's namespace counts."""
        return cls.of(parse_snmp(_SNMP.read_text(encoding="ascii")))

    @classmethod
    def of(cls, counters: Mapping[str, int]) -> Self:
        """Pick the counters; InErrors holds what didn't fit into a receive buffer, SndbufErrors what wasn't sent."""
        return cls(counters["Tcp.RetransSegs"], counters["Udp.InErrors"] + counters["Udp.SndbufErrors"])

    def since(self, before: NetworkCounts) -> NetworkCounts:
        """Return what was counted after ``before``."""
        return NetworkCounts(self.tcp_retransmits - before.tcp_retransmits, self.udp_drops - before.udp_drops)
