"""The calls of the C library that Python has none for (sendmmsg, unshare), and sendto in the same way.

ctypes, outside ``ktlsserve/kernel``: what is measured here are calls that the server itself never makes. All of them
go the same way through ctypes, so that what that costs can be measured with a call that does nothing, and subtracted:
``memcmp`` of no bytes, with the arguments of the call whose place it takes (the third is the length in all of them).
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import Protocol

_LIBRARY = ctypes.CDLL(None, use_errno=True)
_SENDTO = (ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32)
_SENDMMSG = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int)
CLONE_NEWNET = 0x40000000


class Function(Protocol):
    """A function of the library: takes numbers and addresses, returns -1 where it failed."""

    def __call__(self, *arguments: int) -> int:
        """Call it."""


class IoVec(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("iov_base", ctypes.c_void_p), ("iov_len", ctypes.c_size_t))


class MsgHdr(ctypes.Structure):
    """struct msghdr, of <sys/socket.h>."""

    _fields_ = (
        ("msg_name", ctypes.c_void_p),
        ("msg_namelen", ctypes.c_uint32),
        ("msg_iov", ctypes.c_void_p),
        ("msg_iovlen", ctypes.c_size_t),
        ("msg_control", ctypes.c_void_p),
        ("msg_controllen", ctypes.c_size_t),
        ("msg_flags", ctypes.c_int),
    )


class MMsgHdr(ctypes.Structure):
    """struct mmsghdr: a message, and how many of its bytes were sent."""

    _fields_ = (("msg_hdr", MsgHdr), ("msg_len", ctypes.c_uint))


def _function(name: str, arguments: tuple[type, ...], result: type) -> Function:
    # Each look-up by index makes a function object of its own, with types of its own.
    function = _LIBRARY[name]
    function.argtypes = arguments
    function.restype = result
    return function


sendto = _function("sendto", _SENDTO, ctypes.c_ssize_t)
sendmmsg = _function("sendmmsg", _SENDMMSG, ctypes.c_int)
no_sendto = _function("memcmp", _SENDTO, ctypes.c_ssize_t)
no_sendmmsg = _function("memcmp", (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int), ctypes.c_int)
_unshare = _function("unshare", (ctypes.c_int,), ctypes.c_int)


def unshare(flags: int) -> None:
    """Leave what this process shares with others (unshare(2)); raises OSError."""
    if _unshare(flags) == -1:
        raise OSError(*last_error())


def last_error() -> tuple[int, str]:
    """Return the number and the words of the error that the last failed call left."""
    number = ctypes.get_errno()
    return number, os.strerror(number)


def pack_sockaddr_in(host: str, port: int) -> bytes:
    """Pack struct sockaddr_in: the family in the machine's order, port and address in the network's (ip(7))."""
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)
