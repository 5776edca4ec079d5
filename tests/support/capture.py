"""What really goes over the loopback: packets as tcpdump would see them, and the byte streams in them. Root only."""

from __future__ import annotations

import socket
import struct
import threading
from collections import defaultdict
from types import TracebackType
from typing import Self

_ETH_P_ALL = 3
_ETH_P_IP = 0x0800
# linux/if_packet.h, asm-generic/socket.h
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_PACKET_OUTGOING = 4
_SO_RCVBUFFORCE = 33
_BUFFER_BYTES = 64 << 20
_ETHERNET_BYTES = 14
_LARGEST_PACKET_BYTES = 1 << 18
_POLL_S = 0.05
_SYN = 2
_SEQ_MASK = 0xFFFFFFFF


class Capture:
    """Collects what a port sends over IPv4 on ``lo``, from the construction to ``stop``.

    ``payloads`` are the TCP payloads as they were sent, retransmissions included.
    """

    def __init__(self, port: int) -> None:
        self.payloads: list[bytes] = []
        self._port = port
        self._segments: dict[int, dict[int, bytes]] = defaultdict(dict)
        self._isn: dict[int, int] = {}
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        self._sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER_BYTES)
        self._sock.bind(("lo", 0))
        self._sock.settimeout(_POLL_S)
        self._stopping = False
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread.is_alive():
            self.stop()

    def stop(self) -> None:
        """End the capture with what has been sent by now; fail if the kernel had to leave packets out."""
        self._stopping = True
        self._thread.join()
        packets, drops = struct.unpack("II", self._sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._sock.close()
        assert packets
        assert not drops, f"{drops} packets were not captured"

    def stream(self, client_port: int) -> bytes:
        """Return what went to one client, in order; fail where a part is missing."""
        stream = b""
        for offset, payload in sorted(self._segments[client_port].items()):
            assert offset <= len(stream), f"bytes {len(stream)} to {offset} are missing"
            stream += payload[len(stream) - offset :]
        return stream

    def _collect(self) -> None:
        while True:
            try:
                packet, address = self._sock.recvfrom(_LARGEST_PACKET_BYTES)
            except TimeoutError:
                # Whatever was sent before ``stop`` is in the queue already: loopback has no wire.
                if self._stopping:
                    return
                continue
            # Each packet passes twice here, leaving and arriving.
            if address[2] == _PACKET_OUTGOING and address[1] == _ETH_P_IP:
                self._take(packet[_ETHERNET_BYTES:])

    def _take(self, packet: bytes) -> None:
        header_bytes = (packet[0] & 15) * 4
        length, protocol = int.from_bytes(packet[2:4], "big"), packet[9]
        if protocol != socket.IPPROTO_TCP:
            return
        # A packet of 64 KiB and more for the loopback's segmentation says 0.
        segment = packet[header_bytes : length or None]
        source, target, seq = struct.unpack_from("!HHI", segment)
        if source != self._port:
            return
        if segment[13] & _SYN:
            self._isn[target] = seq
            return
        payload = segment[(segment[12] >> 4) * 4 :]
        if payload:
            self.payloads.append(payload)
            self._segments[target][(seq - self._isn[target] - 1) & _SEQ_MASK] = payload
