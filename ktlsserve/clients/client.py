"""Whom an address stands for, where limits hold for each client.

An IPv4 address is one client, although many people may be behind it. Of an IPv6 address the first 64 bits are: that is
the least that a provider gives to a single subscriber (RFC 6177, RIPE-690), who has the other 64 to choose from at will
(RFC 8981), so that addresses one by one would limit nobody.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

Client = bytes
"""4 bytes for an IPv4 address, 8 for an IPv6 network."""

_NETWORK_BYTES = 8


def client_of(address: IPv4Address | IPv6Address) -> Client:
    """Return the client that ``address`` belongs to; an IPv4-mapped address stands for the IPv4 one."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return address.packed[:_NETWORK_BYTES]
        address = address.ipv4_mapped
    return address.packed


def describe(client: Client) -> str:
    """Return what people call the client: an address, or a network of IPv6 addresses."""
    if len(client) == _NETWORK_BYTES:
        return f"{IPv6Address(client + bytes(16 - _NETWORK_BYTES))}/{8 * _NETWORK_BYTES}"
    return str(IPv4Address(client))
