"""Datagrams in batches that one system call sends: generic segmentation offload (UDP_SEGMENT, udp(7)).

The kernel cuts one buffer into datagrams of equal size, of which only the last may be shorter. It saves the way through
the network stack for all but the first.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

# linux/udp.h; Python has no name for it.
UDP_SEGMENT = 103
# 32 datagrams of 1452 bytes are 46 KB: the kernel takes 64 KB at most, and more than 32 hardly save anything.
MOST_SEGMENTS = 32
_MOST_BYTES = 65_000

Address = tuple[str, int] | tuple[str, int, int, int]


@dataclass(slots=True)
class Batch:
    """Datagrams to one address, all ``size`` bytes long but for the last, which may be shorter."""

    address: Address
    size: int
    datagrams: list[bytes]

    def control(self) -> list[tuple[int, int, bytes]]:
        """Return what tells sendmsg where to cut; nothing for a single datagram."""
        if len(self.datagrams) == 1:
            return []
        return [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", self.size))]


def in_batches(datagrams: Iterable[tuple[bytes, Address]], most: int) -> Iterator[Batch]:
    """Group datagrams in their order, ``most`` at a time."""
    batch: Batch | None = None
    full = True
    for data, address in datagrams:
        length = len(data)
        if batch is not None and not full and length <= batch.size and address == batch.address:
            batch.datagrams.append(data)
        else:
            if batch is not None:
                yield batch
            batch = Batch(address, length, [data])
        count = len(batch.datagrams)
        full = length < batch.size or count == most or (count + 1) * batch.size > _MOST_BYTES
    if batch is not None:
        yield batch


def segmentation_refused() -> str | None:
    """Say that this kernel doesn't segment datagrams, or return None where it does."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1200)
        except OSError as error:
            return f"this kernel refuses UDP_SEGMENT ({error.strerror}): Linux has it from 4.18 on"
    return None
