"""IP addresses, networks in CIDR notation, and whether an address is in one of them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Network = IPv4Network | IPv6Network
IpAddress = IPv4Address | IPv6Address


class Networks:
    """Networks of both families; ``address in networks`` tells whether one of them has the address.

    An IPv4-mapped IPv6 address is in the networks of the IPv4 address that it stands for.
    """

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: IpAddress) -> bool:
        address = unmapped(address)
        return any(address in network for network in self._networks)


def unmapped(address: IpAddress) -> IpAddress:
    """Return the IPv4 address that an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) stands for, or the same.

    One client has one name, over whichever socket somebody took it.
    """
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def parse_network(text: str) -> Network:
    """Parse an address, or a network as ADDRESS/BITS; raise ValueError that says what is wrong with it.

    A network whose address has bits behind its prefix is refused: one of the two is a mistake.
    """
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no network: write 192.0.2.0/24, 2001:db8::/32 or a single address") from None
    try:
        return ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} has bits behind its prefix: is {network} meant, or a single address?") from None
