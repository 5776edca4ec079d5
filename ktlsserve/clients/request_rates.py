"""How fast each client makes requests, of all workers: a token bucket each, in memory that the workers share.

Theory of operation
-------------------
A bucket that fills at a rate up to a burst, and of which each request takes a token, is fully described by the moment
at which it will be full (the generic cell rate algorithm, ITU-T I.371, keeps just that). A request puts that moment off
by one interval; it is refused if the moment would then lie further ahead than a burst takes to fill. A moment that has
passed says the same as no entry at all, so nothing has to be cleaned up, and an entry that is dropped too early does no
more than fill a bucket.

So the table is bounded without a timer: a set of eight entries for each value of a part of the client's hash. A new
client takes the entry in its set that is full first, nearly always one whose moment has passed. A client can only
displace another where eight of the same set are using up their bursts at once; the one displaced gets a full bucket.

Workers share the table without a lock, and each word is read and written whole. Two that serve one client at the same
moment may both put off the same old moment: then it is charged for one request instead of two. Of two clients that take
the same entry in the same moment, one has no entry and takes another with its next request. Nothing adds up, and a
worker that dies leaves nothing behind.
"""

from __future__ import annotations

import math
import mmap

from ktlsserve.clients.client import Client

_WORD_BYTES = 8
_NS = 1_000_000_000
_ENTRIES_A_SET = 8
# Of 16 bytes each: a megabyte. As many clients can be using up their bursts at a time.
_SETS = 8192


class RequestRates:
    """Buckets that fill with ``per_second`` tokens up to ``burst``; ``sets`` is how many sets of 8 the table has."""

    __slots__ = ("_ahead_ns", "_clients", "_full_ns", "_interval_ns", "_sets")

    def __init__(self, per_second: int, burst: int, sets: int = _SETS) -> None:
        self._interval_ns = max(1, _NS // per_second)
        # How far ahead the bucket's full moment may be before a request takes the last token.
        self._ahead_ns = (burst - 1) * self._interval_ns
        self._sets = sets
        words = memoryview(mmap.mmap(-1, 2 * sets * _ENTRIES_A_SET * _WORD_BYTES)).cast("Q")
        self._clients, self._full_ns = words[: len(words) // 2], words[len(words) // 2 :]

    def take(self, client: Client, now_s: float) -> int:
        """Take a token and return 0; where there is none, return the seconds until there is, rounded up."""
        now_ns = int(now_s * _NS)
        # 0 is no client.
        found = hash(client) & 0xFFFF_FFFF_FFFF_FFFF or 1
        entry = self._entry(found)
        full_ns = self._full_ns[entry] if self._clients[entry] == found else 0
        wait_ns = full_ns - now_ns - self._ahead_ns
        if wait_ns > 0:
            return math.ceil(wait_ns / _NS)
        self._full_ns[entry] = max(full_ns, now_ns) + self._interval_ns
        self._clients[entry] = found
        return 0

    def _entry(self, wanted: int) -> int:
        """Return the client's entry, or the one of its set whose bucket is full first."""
        start = (wanted % self._sets) * _ENTRIES_A_SET
        end = start + _ENTRIES_A_SET
        clients = self._clients[start:end].tolist()
        if wanted in clients:
            return start + clients.index(wanted)
        moments = self._full_ns[start:end].tolist()
        return start + moments.index(min(moments))
