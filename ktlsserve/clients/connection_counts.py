"""How many connections each client has with all workers, in memory that they share without a lock.

Theory of operation
-------------------
A count that several processes change needs a lock, and whoever dies holding it, or between its +1 and its -1, leaves a
wrong count behind for good. So each worker has a region of its own, which it alone writes and all others read; what a
client has is the sum over the regions. A worker that takes the place of one that died begins by emptying its region:
the dead one's connections are gone, and so are their counts.

A region is a hash table with open addressing and linear probing. A slot is one aligned word of 64 bits, 48 of them the
client's hash and 16 its count, so that a reader sees both or neither; 0 is a free slot. There are at least twice as
many slots as a worker can have connections, so a free one is always near. When a client leaves, those behind it move up
(Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm R), so that nothing is left that would fill
the table in time. Who reads just then may miss a client that moves, and sees fewer connections than there are, never
more. Likewise workers that accept from one client in the same moment don't see each other's: then it gets one
connection more for each of them.

The hash is Python's own of bytes: SipHash under a secret that a process passes to its children and to nobody else, so
that nobody can choose addresses that share a slot or a count. That two of 20,000 clients share their 48 bits by chance
happens to one server in a million.
"""

from __future__ import annotations

import mmap

from ktlsserve.clients.client import Client

MOST_COUNTED = 0xFFFF
"""The highest count that a slot holds, which no limit may exceed."""

_WORD_BYTES = 8
_COUNT_BITS = 16
_HASH_MASK = (1 << 48) - 1


class ConnectionCounts:
    """The regions of ``workers`` workers, each with room for the clients of ``connections`` connections."""

    def __init__(self, workers: int, connections: int) -> None:
        self._slots = 1 << (2 * connections - 1).bit_length()
        words = memoryview(mmap.mmap(-1, workers * self._slots * _WORD_BYTES)).cast("Q")
        self._regions = [words[start : start + self._slots] for start in range(0, len(words), self._slots)]

    def region(self, number: int) -> Region:
        """Return the region of the ``number``-th worker, emptied: what stands there is a predecessor's."""
        self._regions[number][:] = memoryview(bytes(self._slots * _WORD_BYTES)).cast("Q")
        return Region(self._regions, number)


class Region:
    """What one worker writes, and reads of all."""

    __slots__ = ("_mask", "_others", "_own")

    def __init__(self, regions: list[memoryview], number: int) -> None:
        self._own = regions[number]
        self._others = [region for other, region in enumerate(regions) if other != number]
        self._mask = len(self._own) - 1

    def count(self, client: Client) -> int:
        """Return how many connections the client has, with all workers."""
        found = _hash(client)
        return sum(region[self._slot(region, found)] & MOST_COUNTED for region in (self._own, *self._others))

    def add(self, client: Client) -> None:
        """Count one more with this worker."""
        found = _hash(client)
        slot = self._slot(self._own, found)
        self._own[slot] = (self._own[slot] or found << _COUNT_BITS) + 1

    def remove(self, client: Client) -> None:
        """Count one less that was added."""
        own = self._own
        slot = self._slot(own, _hash(client))
        if own[slot] & MOST_COUNTED > 1:
            own[slot] -= 1
        elif own[slot]:
            self._free(slot)

    def _slot(self, region: memoryview, wanted: int) -> int:
        """Return the slot that holds this hash, or else the free one where it belongs."""
        slot = wanted & self._mask
        while (word := region[slot]) and word >> _COUNT_BITS != wanted:
            slot = (slot + 1) & self._mask
        return slot

    def _free(self, slot: int) -> None:
        """Free a slot, and move up those that stand behind it because it was taken."""
        own, mask = self._own, self._mask
        ahead = slot
        while word := own[ahead := (ahead + 1) & mask]:
            home = (word >> _COUNT_BITS) & mask
            if (ahead - home) & mask >= (ahead - slot) & mask:
                own[slot] = word
                slot = ahead
        own[slot] = 0


def _hash(client: Client) -> int:
    return hash(client) & _HASH_MASK
