"""The two quantities of the claim: a system call that does next to nothing, and a copy of one packet.

The copy is ``b"".join`` of forty packets, so that the C library's memcpy runs once for each and the interpreter only
once for all: into a buffer that is in the cache, from packets that are there too, or from some that are in memory.
"""

from __future__ import annotations

import os
import sys

from loadtests.syscalls.subjects import Case, Method, Subject

PACKET_BYTES = 1500
_COPIES = 40
# Beyond the last cache's part of most processors. It is read in its order, as a file would be.
_MEMORY_BYTES = 64 << 20


def system_call() -> Subject:
    """Return getppid(2): no argument, and nothing to look up. What does nothing is a built-in that returns a number."""
    case = Case(Method.CALL, 0)
    return Subject(case, os.getppid, [()], sys.getrecursionlimit, (), expected=os.getppid())


def copies() -> list[Subject]:
    """Return the copies of a packet, from the cache and from memory."""
    near = [bytes([number]) * PACKET_BYTES for number in range(_COPIES)]
    far = [bytes([number % 256]) * PACKET_BYTES for number in range(_MEMORY_BYTES // PACKET_BYTES)]
    groups = [far[first : first + _COPIES] for first in range(0, len(far) - _COPIES + 1, _COPIES)]
    return [
        _copy(Case(Method.COPY_CACHE, PACKET_BYTES, _COPIES), [near]),
        _copy(Case(Method.COPY_MEMORY, PACKET_BYTES, _COPIES), groups),
    ]


def _copy(case: Case, groups: list[list[bytes]]) -> Subject:
    return Subject(case, b"".join, [(group,) for group in groups], b"".join, ([b""] * _COPIES,))
