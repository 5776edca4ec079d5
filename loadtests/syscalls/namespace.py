"""A network namespace of this process's own, with nothing in it but a loopback whose MTU is that of Ethernet.

Loopback's own MTU of 65536 lets TCP make packets that no network carries. Entering a namespace takes root; elsewhere
the machine's own loopback is used, and the report says so.
"""

from __future__ import annotations

import fcntl
import socket
import struct

from loadtests.syscalls import libc

MTU = 1500
_LOOPBACK = b"lo"
# <linux/sockios.h>, <linux/if.h>; see netdevice(7). struct ifreq is a name of 16 bytes and a union of 24.
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_SIOCGIFMTU = 0x8921
_SIOCSIFMTU = 0x8922
_IFF_UP = 0x1


def enter() -> str:
    """Move this process into a namespace of its own if it may; return in words what is used now."""
    try:
        libc.unshare(libc.CLONE_NEWNET)
    except OSError as error:
        return f"this machine's loopback, MTU {_mtu()} (no namespace of its own: {error.strerror}; root may have one)"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFMTU, struct.pack("16si20x", _LOOPBACK, MTU))
        (flags,) = struct.unpack_from("h", fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack("16s24x", _LOOPBACK)), 16)
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh22x", _LOOPBACK, flags | _IFF_UP))
    return f"loopback in a namespace of its own, MTU {_mtu()}"


def _mtu() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        (mtu,) = struct.unpack_from("i", fcntl.ioctl(sock, _SIOCGIFMTU, struct.pack("16s24x", _LOOPBACK)), 16)
        return int(mtu)
