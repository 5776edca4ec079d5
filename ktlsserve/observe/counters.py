"""What a worker counts, and where in its list each count stands.

Theory of operation
-------------------
A worker counts in a plain list of integers, ``counts[cell] += 1``: some 25 ns, no lock, no look-up of labels. Which
combinations of labels there are is known before the first fork, so each has a cell of its own. Those below are the same
in every server, and plain numbers, so that whoever counts names a constant; those that depend on the configuration
(its sites) follow them in a ``Counters``.

Nearly all only grow. ``GAUGES`` also fall: they tell what is now, and begin at 0 in a new worker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product

from ktlsserve.http1.reply import REASON_PHRASES
from ktlsserve.tls.failures import REASONS
from ktlsserve.tls.suites import SUITES

Labels = tuple[str, ...]
Family = Mapping[Labels, int]

NO_SITE = "none"
"""The site of replies to what reached none: heads that are no requests, hosts that nobody knows."""

REDIRECT = "redirect"
"""The site of what the listeners of ``[redirect]`` answer."""

# The groups that can be configured (``config.tls``), by the names that OpenSSL tells.
GROUPS = {"X25519MLKEM768": "X25519MLKEM768", "x25519": "X25519", "secp256r1": "P-256", "secp384r1": "P-384"}
NO_GROUP = "none"
"""Where OpenSSL names another group, or none."""

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of handshake durations: from a loopback to a phone with a bad connection."""


class _Cells:
    """Hands cells out, one family after another."""

    def __init__(self, taken: int = 0) -> None:
        self.size = taken
        self.families: dict[str, Family] = {}

    def family(self, name: str, labels: Iterable[Labels]) -> Family:
        cells = {each: self.size + position for position, each in enumerate(dict.fromkeys(labels))}
        self.size += len(cells)
        self.families[name] = cells
        return cells


def _single(words: str) -> list[Labels]:
    return [(word,) for word in words.split()]


_fixed = _Cells()

SENT = _fixed.family(
    "sent_bytes",
    [
        ("sendfile", "kernel"),
        ("memory", "kernel"),
        ("userspace", "userspace"),
        ("sendfile", "off"),
        ("memory", "off"),
    ],
)
"""Bytes by path and encryption; in userspace TLS files pass through memory like all else."""
SENT_FILE_KERNEL = SENT["sendfile", "kernel"]
SENT_MEMORY_KERNEL = SENT["memory", "kernel"]
SENT_USERSPACE = SENT["userspace", "userspace"]
SENT_FILE_OFF = SENT["sendfile", "off"]
SENT_MEMORY_OFF = SENT["memory", "off"]

OPEN = _fixed.family("connections", _single("pending kernel userspace off"))
"""Connections that are open now, by who encrypts; pending ones have yet to finish their handshake."""
OPEN_PENDING = OPEN[("pending",)]
OPEN_KERNEL = OPEN[("kernel",)]
OPEN_USERSPACE = OPEN[("userspace",)]
OPEN_OFF = OPEN[("off",)]

ACCEPTED = _fixed.family("connections_accepted", [()])[()]
BUGS = _fixed.family("bugs", [()])[()]

HANDED_OVER = _fixed.family("tls_connections", product(("kernel", "userspace"), repeat=2))
"""Connections whose handshake succeeded, by who encrypts what is sent and who decrypts what is received."""

HANDSHAKES = _fixed.family(
    "handshakes",
    [
        (suite.version.label, suite.cipher.label, group, resumed)
        for suite, group, resumed in product(SUITES, (*GROUPS.values(), NO_GROUP), ("no", "yes"))
    ],
)
"""By version, cipher, group, and whether a session was resumed."""

FAILURES = _fixed.family("handshake_failures", [(reason,) for reason in REASONS])
DURATIONS = _fixed.family("handshake_durations", [(str(bound),) for bound in BUCKETS_S] + [("+Inf",)])
_DURATION_CELLS = tuple(DURATIONS.values())
DURATION_SUM_NS = _fixed.family("handshake_durations_ns", [()])[()]

TIMEOUTS = _fixed.family("timeouts", _single("handshake head idle send close"))

PAUSES = _fixed.family("accept_pauses", _single("resources limit"))
PAUSES_RESOURCES = PAUSES[("resources",)]
PAUSES_LIMIT = PAUSES[("limit",)]
REFUSALS = _fixed.family("client_refusals", _single("connection request"))
"""What a client was refused because it had all that it may have."""
REFUSED_CONNECTIONS = REFUSALS[("connection",)]
REFUSED_REQUESTS = REFUSALS[("request",)]
FILE_CACHE = _fixed.family("file_cache_lookups", _single("hit miss"))
FILE_CACHE_HIT = FILE_CACHE[("hit",)]
FILE_CACHE_MISS = FILE_CACHE[("miss",)]
LOG_LINES_LOST = _fixed.family("access_log_lines_lost", [()])[()]

GAUGES = ("connections",)


def duration_cell(seconds: float) -> int:
    """Return the cell of the bucket that a handshake's duration falls into."""
    for bound, cell in zip(BUCKETS_S, _DURATION_CELLS, strict=False):
        if seconds <= bound:
            return cell
    return _DURATION_CELLS[-1]


class Counters:
    """The cells of a server with these ``sites`` (their labels).

    ``requests`` has the cell of each (site, status) of replies that were worked out; the cell of one that was
    remembered (``worker.memo``) stands ``remembered_offset`` further on. ``families`` are all cells by the name of
    their family and their labels.
    """

    def __init__(self, sites: Iterable[str] = ()) -> None:
        cells = _Cells(_fixed.size)
        names = dict.fromkeys((NO_SITE, REDIRECT, *sites))
        labels = [(site, str(status)) for site, status in product(names, REASON_PHRASES)]
        worked_out = cells.family("requests_worked_out", labels)
        remembered = cells.family("requests_remembered", labels)
        self.remembered_offset = remembered[labels[0]] - worked_out[labels[0]]
        self.requests = {(site, int(status)): cell for (site, status), cell in worked_out.items()}
        self.families: dict[str, Family] = {**_fixed.families, **cells.families}
        self.size = cells.size
        self._gauges = tuple(cell for name in GAUGES for cell in self.families[name].values())

    def begin(self, counts: Iterable[int]) -> list[int]:
        """Return what a worker counts on from, where its predecessor had ``counts``."""
        begun = list(counts)
        for cell in self._gauges:
            begun[cell] = 0
        return begun

    def by_family(self, counts: Sequence[int]) -> dict[str, dict[Labels, int]]:
        """Return ``counts`` by the name of their family and their labels."""
        return {
            name: {labels: counts[cell] for labels, cell in family.items()} for name, family in self.families.items()
        }


def add_up(totals: dict[str, dict[Labels, int]], more: Mapping[str, Mapping[Labels, int]]) -> None:
    """Add ``more`` to ``totals``; the labels need not be the same."""
    for name, family in more.items():
        sums = totals.setdefault(name, {})
        for labels, count in family.items():
            sums[labels] = sums.get(labels, 0) + count
