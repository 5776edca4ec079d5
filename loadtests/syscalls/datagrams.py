"""Datagrams over loopback: one call for each, many in one call, or one large one that is cut into many later.

Theory of operation. ``sendto`` goes all the way through the network stack for each datagram. ``sendmmsg`` goes as
often, but enters the kernel once. With ``UDP_SEGMENT`` (udp(7), "generic segmentation offload") one large datagram goes
through the stack, and is cut into packets at the end: by a network card that can, else by the kernel. On loopback that
depends on who receives: a socket with ``UDP_GRO`` takes it whole (what is paid then is what a sender with such a card
pays), for any other the kernel cuts it, in the sender's time.

Loopback delivers in the sender's time. So that this is little and always the same, nobody reads: the receiver's buffer
is full, what comes is dropped there, and the kernel counts it. Each run compares that count with what it has sent.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from loadtests.bench.errors import SetupError
from loadtests.bench.place import HOST
from loadtests.syscalls import libc
from loadtests.syscalls.subjects import Case, Method, Subject

# <linux/udp.h>; the socket module of Python has none of them.
SOL_UDP = 17
UDP_SEGMENT = 103
UDP_GRO = 104
# <linux/udp.h>: 64 before Linux 6.9. With packets as large as they are here, the next limit is reached first.
UDP_MAX_SEGMENTS = 128
# What an IP packet may have (its length is a number of 16 bits), without the headers of IPv4 and UDP.
_MOST_BYTES = 65535 - 20 - 8
# <asm-generic/socket.h>, <linux/sock_diag.h>: what a socket's memory is used for; the ninth number counts drops.
_SO_MEMINFO = 55
_SK_MEMINFO = struct.Struct("9I")
_SK_MEMINFO_DROPS = 8
# The kernel makes of it the least that it allows.
_SMALL_BUFFER = 1


def most_segments(payload_bytes: int) -> int:
    """Return how many packets one call with UDP_SEGMENT may carry."""
    return min(UDP_MAX_SEGMENTS, _MOST_BYTES // payload_bytes)


def dropped(receiver: socket.socket) -> int:
    """Return how many datagrams were dropped at this socket, modulo 2^32."""
    numbers = _SK_MEMINFO.unpack(receiver.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _SK_MEMINFO.size))
    return int(numbers[_SK_MEMINFO_DROPS])


@contextmanager
def full_receiver(*, whole: bool) -> Iterator[socket.socket]:
    """Open a receiver that nobody reads; with ``whole``, it takes large datagrams uncut."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL_BUFFER)
        if whole:
            _set_option(receiver, "UDP_GRO", UDP_GRO, 1)
        receiver.bind((HOST, 0))
        yield receiver


@contextmanager
def sending(case: Case, receiver: socket.socket) -> Iterator[Subject]:
    """Prepare a call that sends the case's packets to ``receiver``; raises SetupError where the kernel can't."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        each = 1
        if case.method in (Method.GSO, Method.GSO_WHOLE):
            _set_option(sender, "UDP_SEGMENT", UDP_SEGMENT, case.unit_bytes)
            each = most_segments(case.unit_bytes)
        sizes = [min(each, case.packets - first) * case.unit_bytes for first in range(0, case.packets, each)]
        several = case.method is Method.SENDMMSG or len(sizes) > 1
        yield (_messages if several else _message)(case, sender, receiver, sizes)


def _message(case: Case, sender: socket.socket, receiver: socket.socket, sizes: list[int]) -> Subject:
    """Prepare sendto with one datagram."""
    (size,) = sizes
    data = ctypes.create_string_buffer(size)
    name = _name(receiver)
    at, to = ctypes.addressof(data), ctypes.addressof(name)
    return Subject(
        case,
        libc.sendto,
        [(sender.fileno(), at, size, 0, to, len(name))],
        libc.no_sendto,
        (at, at, 0, 0, to, len(name)),
        expected=size,
        arrivals=lambda: dropped(receiver),
        arrivals_per_call=_arriving(case, sizes),
        kept=(data, name),
    )


def _messages(case: Case, sender: socket.socket, receiver: socket.socket, sizes: list[int]) -> Subject:
    """Prepare sendmmsg with a datagram of each size; all are the same bytes of memory."""
    data = ctypes.create_string_buffer(max(sizes))
    name = _name(receiver)
    at, to = ctypes.addressof(data), ctypes.addressof(name)
    vectors = (libc.IoVec * len(sizes))(*[libc.IoVec(at, size) for size in sizes])
    messages = (libc.MMsgHdr * len(sizes))()
    for message, vector in zip(messages, vectors, strict=True):
        message.msg_hdr = libc.MsgHdr(to, len(name), ctypes.addressof(vector), 1)
    return Subject(
        case,
        libc.sendmmsg,
        [(sender.fileno(), ctypes.addressof(messages), len(messages), 0)],
        libc.no_sendmmsg,
        (at, at, 0, 0),
        expected=len(messages),
        arrivals=lambda: dropped(receiver),
        arrivals_per_call=_arriving(case, sizes),
        kept=(data, name, vectors, messages),
    )


def _arriving(case: Case, sizes: list[int]) -> int:
    """Return how many datagrams the receiver counts for one call."""
    return len(sizes) if case.method is Method.GSO_WHOLE else case.packets


def _name(receiver: socket.socket) -> ctypes.Array[ctypes.c_char]:
    packed = libc.pack_sockaddr_in(*receiver.getsockname())
    return ctypes.create_string_buffer(packed, len(packed))


def _set_option(sock: socket.socket, name: str, option: int, value: int) -> None:
    try:
        sock.setsockopt(SOL_UDP, option, value)
    except OSError as error:
        since = "Linux has it since 4.18" if option == UDP_SEGMENT else "Linux has it since 5.0"
        raise SetupError(f"this kernel has no {name} ({error.strerror}); {since}") from error
