"""How the kernel's own counters of kTLS move while something happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.tls_stat import read_tls_stat


class Counters(dict[str, int]):
    """The growth of each counter, filled in when the block of ``counting`` ends; 0 for one that this kernel lacks."""

    def __missing__(self, name: str) -> int:
        return 0


@contextmanager
def counting() -> Iterator[Counters]:
    """Yield what will hold the growth of every counter during the block."""
    growth = Counters()
    before = read_counters()
    yield growth
    growth.update({name: value - before[name] for name, value in read_counters().items()})


def read_counters() -> dict[str, int]:
    """Return the counters of this network namespace; fail where the kernel has none."""
    counters = read_tls_stat(Machine())
    assert counters is not None, "this kernel has no /proc/net/tls_stat"
    return counters
