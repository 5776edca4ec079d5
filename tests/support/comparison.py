"""A report of the comparison, made up: both units, two MTUs, a refused row, servers that are missing."""

from __future__ import annotations

from loadtests.compare.report import Report
from loadtests.compare.rows import make_rows
from loadtests.compare.samples import METRICS, RowKey, Sample, Unit

_SECONDS = [metric.key for metric in METRICS if not metric.key.startswith("instructions")]
# What a server's figures are multiplied with.
_SERVERS = {
    "ktlsserve": ("http/1.1", 1.0),
    "nginx-tls": ("http/1.1", 1.1),
    "nginx-h3-gso": ("h3", 2.5),
    "aioquic": ("h3", 87.0),
}
PRIMARY = {"large": "cpu_s_per_gb", "small": "cpu_s_per_1000_requests", "64 MiB once": "instructions_per_gb"}


def sample_report() -> Report:
    """Return it; markup in what servers say is part of it."""
    samples = []
    for mtu in (1500, 65536):
        for scenario in ("large", "small"):
            for name, (protocol, factor) in _SERVERS.items():
                key = RowKey(name, protocol, mtu, scenario)
                for number in range(3):
                    # The reference is slower and faster with the others: the machine is.
                    values = dict.fromkeys(_SECONDS, factor * (0.8 + 0.1 * number))
                    samples.append(Sample(key, number, 1234, 0, values))
                samples.append(Sample(key, 0, 9, 0, {}, detail="sendfile 1, epoll_wait 0.5 per MB (counted by perf)"))
            broken = RowKey("qh3", "h3", mtu, scenario)
            samples.append(Sample(broken, 0, 12, 3, problem="3 of 12 requests failed: <b>other</b> bytes & so on"))
    for name, instructions in {"ktlsserve-kernel": 4.7e9, "ktlsserve": 9.2e9, "nginx-tls": 9.1e9}.items():
        key = RowKey(name, "http/1.1", 1500, "64 MiB once", Unit.INSTRUCTIONS)
        samples += [Sample(key, number, 1, 0, {"instructions_per_gb": instructions}) for number in range(2)]
    return Report(
        "python -m loadtests.compare --mtu both --kernel guest",
        "2026-11-26 22:00 UTC",
        {
            "processor": "A processor of some kind @ 3.00GHz",
            "kernel": "6.12.1-a-name-that-is-long-enough-to-wrap+deb13",
        },
        {"MTU": "1500, 65536", "rounds": "3"},
        {"ktlsserve": "0.1.0", "nginx-tls": "nginx version: nginx/1.26.3"},
        ["caddy-h3: caddy isn't installed: apt-get install caddy"],
        samples,
        make_rows(samples),
        PRIMARY,
    )
