"""What a given amount of traffic takes: cores, memory and network cards, worked out from figures for one connection.

Nothing is measured here. Each figure that goes in says where it is from, and anybody's own can take its place: the
table in docs/scaling.md is what comes out with these.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from enum import Enum

GB = 10**9
KIB = 1024
GIB = 2**30
_FRAME_BYTES, _SEGMENT_BYTES = 1538, 1448
_RECORD_BYTES, _RECORD_OVERHEAD_BYTES = 16384, 22


class Encrypts(Enum):
    """Who encrypts what is sent."""

    USERSPACE = "OpenSSL in the process"
    KERNEL = "the kernel"
    CARD = "the network card"


def figure(source: str) -> dict[str, str]:
    """Make the metadata of an input: where it is from."""
    return {"source": source}


@dataclass(frozen=True, slots=True)
class Inputs:
    """The figures that everything is worked out from."""

    userspace_s_per_gb: float = field(
        default=0.85,
        metadata=figure(
            "measured: CPU seconds for each GB of nginx 1.26 with OpenSSL, 64 MB files, loopback, 0.61 to 1.06 in "
            "three runs; ktlsserve in userspace takes as much (python -m loadtests.bench --workload userspace/1MiB)"
        ),
    )
    kernel_share: float = field(
        default=0.54,
        metadata=figure(
            "measured under emulation: 0.33 G instructions for 64 MiB with kernel TLS and sendfile, 0.61 G for nginx "
            "with OpenSSL. Instructions are not seconds: that AES costs as much in the kernel as in OpenSSL is assumed"
        ),
    )
    plain_s_per_gb: float = field(
        default=0.24,
        metadata=figure(
            "measured: one core sends 3.9 to 4.5 GB/s of files of 1 MiB by sendfile in clear, loopback; a card that "
            "encrypts leaves the processor no more than that to do"
        ),
    )
    request_s: float = field(
        default=13.5e-6,
        metadata=figure("measured: 13.5 microseconds of the loop for a request whose reply is remembered, in clear"),
    )
    handshake_s: float = field(
        default=0.64e-3,
        metadata=figure("measured: 0.64 ms for a full TLS 1.3 handshake with ECDSA P-256 and X25519MLKEM768"),
    )
    idle_bytes: float = field(
        default=1401.0,
        metadata=figure(
            "measured: python -m loadtests.idle --mode kernel --connections 1000, Linux 6.12: a worker's memory for "
            "each connection"
        ),
    )
    userspace_idle_bytes: float = field(
        default=28_500.0, metadata=figure("measured: python -m loadtests.idle, with OpenSSL in the process")
    )
    socket_bytes: float = field(
        default=32.0 * KIB, metadata=figure("assumed: the kernel's structures for a connection, and its queues at rest")
    )
    round_trip_s: float = field(default=0.1, metadata=figure("assumed: seconds of a round trip to a client"))
    client_mbps: float = field(default=5.0, metadata=figure("assumed: Mbit/s that a client receives at, on average"))
    file_bytes: float = field(default=1e6, metadata=figure("assumed: bytes of a reply, on average"))
    requests_per_connection: float = field(default=20.0, metadata=figure("assumed: requests on a connection"))
    busy: float = field(
        default=0.6, metadata=figure("assumed: how busy cores may be at the peak, so that one node's end is borne")
    )
    userspace_passes: float = field(
        default=6.0,
        metadata=figure(
            "from how it works: each byte is read from the page cache and written to a buffer, read and encrypted, "
            "written to the socket's memory, and read by the card; caches save some of it"
        ),
    )
    kernel_passes: float = field(
        default=4.0,
        metadata=figure(
            "from how it works: read from the page cache, written encrypted (which reads the cache line first), read "
            "by the card; a card that encrypts reads the page cache alone: 1"
        ),
    )


@dataclass(frozen=True, slots=True)
class Need:
    """What a link of ``link_gbps`` takes when it is full, by who encrypts."""

    link_gbps: float
    payload_gb_per_s: float
    clients: int
    requests_per_s: float
    handshakes_per_s: float
    cores: dict[Encrypts, float]
    memory_gb_per_s: dict[Encrypts, float]
    memory_gib: dict[Encrypts, float]


def need(link_gbps: float, inputs: Inputs) -> Need:
    """Work out what it takes to fill a link with files."""
    useful = _SEGMENT_BYTES / _FRAME_BYTES * _RECORD_BYTES / (_RECORD_BYTES + _RECORD_OVERHEAD_BYTES)
    payload = link_gbps / 8 * useful
    clients = math.ceil(payload * 8000 / inputs.client_mbps)
    requests = payload * GB / inputs.file_bytes
    handshakes = requests / inputs.requests_per_connection
    for_each_gb = {
        Encrypts.USERSPACE: inputs.userspace_s_per_gb,
        Encrypts.KERNEL: inputs.userspace_s_per_gb * inputs.kernel_share,
        Encrypts.CARD: inputs.plain_s_per_gb,
    }
    others = requests * inputs.request_s + handshakes * inputs.handshake_s
    passes = {Encrypts.USERSPACE: inputs.userspace_passes, Encrypts.KERNEL: inputs.kernel_passes, Encrypts.CARD: 1.0}
    kept = dict.fromkeys(Encrypts, inputs.idle_bytes) | {Encrypts.USERSPACE: inputs.userspace_idle_bytes}
    # What is under way, and as much again waiting behind it, so that the next acknowledgement finds something to send.
    queued = 2 * inputs.client_mbps * 1e6 / 8 * inputs.round_trip_s
    return Need(
        link_gbps=link_gbps,
        payload_gb_per_s=payload,
        clients=clients,
        requests_per_s=requests,
        handshakes_per_s=handshakes,
        cores={who: (payload * cost + others) / inputs.busy for who, cost in for_each_gb.items()},
        memory_gb_per_s={who: payload * count for who, count in passes.items()},
        memory_gib={who: clients * (size + inputs.socket_bytes + queued) / GIB for who, size in kept.items()},
    )


def inputs_table(inputs: Inputs) -> str:
    """Return the inputs in Markdown, each with its source."""
    rows = [
        f"| `{item.name}` | {getattr(inputs, item.name):.4g} | {item.metadata['source']} |" for item in fields(inputs)
    ]
    return "\n".join(["| input | value | where it is from |", "|---|---|---|", *rows]) + "\n"


def needs_table(links_gbps: tuple[float, ...], inputs: Inputs) -> str:
    """Return in Markdown what links of these rates take."""
    heads = ["Gbit/s", "GB/s of files", "clients", "requests/s", "handshakes/s", "cores: OpenSSL / kernel / card"]
    heads += ["memory traffic, GB/s: OpenSSL / kernel / card", "memory of connections, GiB: OpenSSL / kernel"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for link in links_gbps:
        found = need(link, inputs)
        cells = [f"{link:g}", f"{found.payload_gb_per_s:.2f}", f"{found.clients:,}", f"{found.requests_per_s:,.0f}"]
        cells.append(f"{found.handshakes_per_s:,.0f}")
        cells.append(" / ".join(f"{cores:.1f}" for cores in found.cores.values()))
        cells.append(" / ".join(f"{traffic:.1f}" for traffic in found.memory_gb_per_s.values()))
        shown = (Encrypts.USERSPACE, Encrypts.KERNEL)
        cells.append(" / ".join(f"{found.memory_gib[who]:.2f}" for who in shown))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
