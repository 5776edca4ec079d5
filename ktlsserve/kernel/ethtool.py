"""Features of a network interface, read as ``ethtool -k`` reads them (include/uapi/linux/ethtool.h).

Feature names and bits differ from kernel to kernel, so they are asked for: how many there are (ETHTOOL_GSSET_INFO),
what they are called (ETHTOOL_GSTRINGS), which are on (ETHTOOL_GFEATURES). Reading needs no privilege.

A network card takes over kTLS sockets by itself where its feature is on and the connection's keys fit: TLS 1.2 with
AES-GCM only, as of Linux 7.3. TLS 1.3 never reaches the card.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from dataclasses import dataclass

SIOCETHTOOL = 0x8946
ETHTOOL_GSTRINGS = 0x1B
ETHTOOL_GSSET_INFO = 0x37
ETHTOOL_GFEATURES = 0x3A
ETH_SS_FEATURES = 4
ETH_GSTRING_LEN = 32

TLS_FEATURES = ("tls-hw-tx-offload", "tls-hw-rx-offload", "tls-hw-record")

# struct ifreq: the name, then a union of which the pointer is the first member; 24 bytes cover it on all machines.
_IFREQ = struct.Struct("16sP16x")
# struct ethtool_get_features_block: available, requested, active, never_changed.
_BLOCK = struct.Struct("=4I")
_BITS = 32


@dataclass(frozen=True, slots=True)
class Feature:
    """``on``: in force now; ``changeable``: the device has it, so that it can be switched."""

    on: bool
    changeable: bool


def interface_features(interface: str) -> dict[str, Feature]:
    """Return the features of ``interface`` by name.

    Raises OSError: ENODEV for no such interface, EOPNOTSUPP where the device or a sandbox has no such call.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        names = _feature_names(sock, interface)
        block_count = -(-len(names) // _BITS)
        request = struct.pack("=II", ETHTOOL_GFEATURES, block_count)
        answer = _call(sock, interface, request + bytes(block_count * _BLOCK.size))
    blocks = list(_BLOCK.iter_unpack(answer[8:]))
    features = {}
    for number, name in enumerate(names):
        available, _requested, active, _never_changed = blocks[number // _BITS]
        bit = 1 << number % _BITS
        if name:
            features[name] = Feature(on=bool(active & bit), changeable=bool(available & bit))
    return features


def tls_features(interface: str) -> dict[str, Feature]:
    """Return those of TLS_FEATURES that this kernel knows; raise OSError as ``interface_features`` does."""
    return {name: found for name, found in interface_features(interface).items() if name in TLS_FEATURES}


def _feature_names(sock: socket.socket, interface: str) -> list[str]:
    """Return the names by bit number; a bit without a meaning has an empty one."""
    info = _call(sock, interface, struct.pack("=IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_FEATURES, 0))
    _command, _reserved, known_sets, count = struct.unpack("=IIQI", info)
    if not known_sets:
        return []
    request = struct.pack("=III", ETHTOOL_GSTRINGS, ETH_SS_FEATURES, count)
    answer = _call(sock, interface, request + bytes(count * ETH_GSTRING_LEN))
    strings = answer[len(request) :]
    return [
        strings[start : start + ETH_GSTRING_LEN].split(b"\0", 1)[0].decode("ascii", "replace")
        for start in range(0, len(strings), ETH_GSTRING_LEN)
    ]


def _call(sock: socket.socket, interface: str, request: bytes) -> bytes:
    """Make one SIOCETHTOOL call, whose buffer the kernel fills in place; ``request`` has room for the answer."""
    buffer = ctypes.create_string_buffer(request, len(request))
    fcntl.ioctl(sock, SIOCETHTOOL, _IFREQ.pack(os.fsencode(interface), ctypes.addressof(buffer)))
    return buffer.raw
