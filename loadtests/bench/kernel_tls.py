"""Whether the kernel encrypted, as it says itself: a row for kernel TLS that OpenSSL served would be a lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ktlsserve.kernel.tls_stat import TLS_STAT, parse_tls_stat
from loadtests.bench.errors import RunFailed

# Of this network namespace; missing where the kernel has no TLS or hasn't loaded it.
_STATISTICS = Path(TLS_STAT)


def parse_connections(text: str) -> int:
    """Return how many connections the kernel has begun to encrypt for, in software or on a device."""
    counters = parse_tls_stat(text)
    return counters["TlsTxSw"] + counters["TlsTxDevice"]


def connections(statistics: Path = _STATISTICS) -> int:
    """Read it; 0 where there are no statistics."""
    return parse_connections(statistics.read_text(encoding="ascii")) if statistics.exists() else 0


@contextmanager
def encrypting(*, by_kernel: bool, statistics: Path = _STATISTICS) -> Iterator[None]:
    """Raise RunFailed after the block if, inside it, another one encrypted than was meant to."""
    before = connections(statistics)
    yield
    grew = connections(statistics) > before
    if grew is not by_kernel:
        raise RunFailed("the kernel encrypted, not OpenSSL" if grew else "the kernel encrypted for no connection")
