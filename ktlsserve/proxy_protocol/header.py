"""What a PROXY header says, whichever its version."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

from ktlsserve.networks import IpAddress, unmapped


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a TCP connection."""

    address: IpAddress
    port: int

    def __str__(self) -> str:
        """Return it as people write it: an IPv6 address in brackets."""
        return f"[{self.address}]:{self.port}" if self.address.version == 6 else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A whole header: ``source`` is the client and ``target`` the address that it connected to.

    Both are None where the connection's own addresses hold: it is the balancer's own (a health check), or one of a kind
    that has no addresses here (section 2.1, UNKNOWN; section 2.2, LOCAL, UNSPEC, UDP and Unix sockets).
    """

    version: int
    source: Endpoint | None = None
    target: Endpoint | None = None


def endpoint(address: str | bytes, port: int) -> Endpoint:
    """Make an endpoint of an address as text or packed; raises ValueError for text that is none."""
    return Endpoint(unmapped(ip_address(address)), port)
