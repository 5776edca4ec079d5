"""The kernel's own counters of kTLS: ``/proc/net/tls_stat`` (Documentation/networking/tls.rst, "Statistics").

They count per network namespace, and the file exists only once the ``tls`` module is in the kernel. Linux 6.14 added
the rekey counters.
"""

from __future__ import annotations

from ktlsserve.kernel.machine import Machine

TLS_STAT = "/proc/net/tls_stat"


def read_tls_stat(machine: Machine) -> dict[str, int] | None:
    """Return the counters by the kernel's names, None where there is no such file; raise OSError if unreadable."""
    text = machine.read_text(TLS_STAT)
    return None if text is None else parse_tls_stat(text)


def parse_tls_stat(text: str) -> dict[str, int]:
    """Read lines of a name and a number; lines of another form, which later kernels may add, are passed over."""
    counters = {}
    for line in text.splitlines():
        name, *values = line.split() or [""]
        if len(values) == 1 and values[0].isdigit():
            counters[name] = int(values[0])
    return counters
