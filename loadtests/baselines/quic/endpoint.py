"""The UDP socket of the server.

Theory of operation
-------------------
asyncio's own datagram transport reads one datagram for each turn of its loop, and each is answered at once, so that
batches never form. Here a turn reads what has come, up to a limit, and only then do the connections that got something
send what they have: their datagrams then leave in batches, of one datagram where segmentation is off.

Where the socket takes no more, batches wait in order, and connections build no new datagrams until those are gone.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from loadtests.baselines.quic.batches import MOST_SEGMENTS, Address, Batch, in_batches

# Enough that batches form, few enough that timers aren't kept waiting.
_DATAGRAMS_PER_TURN = 64
_LARGEST_DATAGRAM_BYTES = 1 << 16
# Capped by net.core.rmem_max and wmem_max; the usual default of 208 KiB holds the acknowledgements of few clients.
_BUFFER_BYTES = 4 << 20
# What a kernel or device says that can't segment: the rest goes one by one.
_NO_SEGMENTATION = frozenset((errno.EIO, errno.EINVAL, errno.ENOPROTOOPT, errno.EOPNOTSUPP))


class Sending(Protocol):
    """A connection, as far as its socket knows it."""

    def transmit(self) -> None:
        """Send what there is to send."""


@dataclass(slots=True)
class Totals:
    """What went through the socket, and by how many system calls."""

    sent: int = 0
    send_calls: int = 0
    received: int = 0
    failed: int = 0

    def __str__(self) -> str:
        return (
            f"sent {self.sent} datagrams by {self.send_calls} system calls ({self.failed} failed), "
            f"received {self.received}"
        )


class Endpoint:
    """Hands what it receives to ``receiver`` (aioquic's QuicServer), to which it is the transport."""

    def __init__(self, sock: socket.socket, *, segment: bool) -> None:
        self.totals = Totals()
        self.receiver: Any = None
        self._sock = sock
        self._most = MOST_SEGMENTS if segment else 1
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(_LARGEST_DATAGRAM_BYTES))
        self._waiting: deque[Batch] = deque()
        # A dictionary for its order: who got something first sends first.
        self._touched: dict[Sending, None] = {}
        sock.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        self._loop.add_reader(sock, self._read)

    @property
    def blocked(self) -> bool:
        """Whether the socket takes no more at present."""
        return bool(self._waiting)

    def touch(self, connection: Sending) -> None:
        """Have ``connection`` transmit at the end of this turn, or once the socket takes more."""
        self._touched[connection] = None

    def sendto(self, data: bytes, address: Address) -> None:
        """Send one datagram: what QuicServer itself answers (version negotiation)."""
        self.send([(data, address)])

    def send(self, datagrams: Iterable[tuple[bytes, Address]]) -> None:
        """Send datagrams in their order, or keep them until the socket takes more."""
        for batch in in_batches(datagrams, self._most):
            if self._waiting:
                self._waiting.append(batch)
            elif not self._sent(batch):
                self._waiting.append(batch)
                self._loop.add_writer(self._sock, self._write)

    def close(self) -> None:
        """Close the socket; what waits is lost, as datagrams may be."""
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()

    def _read(self) -> None:
        for _ in range(_DATAGRAMS_PER_TURN):
            try:
                count, address = self._sock.recvfrom_into(self._buffer)
            except BlockingIOError:
                break
            self.totals.received += 1
            self.receiver.datagram_received(bytes(self._buffer[:count]), address)
        self._transmit_touched()

    def _write(self) -> None:
        while self._waiting:
            if not self._sent(self._waiting[0]):
                return
            self._waiting.popleft()
        self._loop.remove_writer(self._sock)
        self._transmit_touched()

    def _transmit_touched(self) -> None:
        # Those that touch again, because the socket is full, have their turn later.
        for _ in range(len(self._touched)):
            connection = next(iter(self._touched))
            del self._touched[connection]
            connection.transmit()

    def _sent(self, batch: Batch) -> bool:
        """Send a batch; False where the socket takes no more. A datagram that can't be sent is lost, as any may be."""
        try:
            self._sock.sendmsg(batch.datagrams, batch.control(), 0, batch.address)
        except BlockingIOError:
            return False
        except OSError as error:
            if len(batch.datagrams) > 1 and error.errno in _NO_SEGMENTATION:
                return self._without_segmentation(batch, error)
            self.totals.failed += len(batch.datagrams)
        else:
            self.totals.sent += len(batch.datagrams)
        self.totals.send_calls += 1
        return True

    def _without_segmentation(self, batch: Batch, error: OSError) -> bool:
        if self._most > 1:
            print(f"UDP_SEGMENT is refused ({error.strerror}): one datagram for each system call now", file=sys.stderr)
            self._most = 1
        singles = [Batch(batch.address, len(data), [data]) for data in batch.datagrams]
        while singles and self._sent(singles[0]):
            singles.pop(0)
        if not singles:
            return True
        # The batch itself stays the first of those that wait, less what has left.
        batch.datagrams = [single.datagrams[0] for single in singles]
        return False
