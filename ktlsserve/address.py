"""Addresses to listen on, as people write them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

# A host name as in RFC 1123 section 2.1; underscores are let through because resolvers take them.
HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?"
)
LARGEST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: an IP address (IPv6 without brackets, with its zone if it has one) or a host name, and a port.

    Port 0 lets the kernel pick one. Names are resolved when the address is bound.
    """

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as people write it: an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse ``HOST:PORT``; raise ValueError that says what is wrong and how it is written."""
    host, colon, port_text = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port_text) or int(port_text) > LARGEST_PORT:
        raise ValueError(f"{text!r} must end in a port from 0 to {LARGEST_PORT}, as in 127.0.0.1:8443")
    port = int(port_text)
    if not host:
        raise ValueError(f"{text!r} has no host: write 0.0.0.0:{port} or [::]:{port} for all interfaces")
    if host.startswith("[") and host.endswith("]"):
        return Address(_ipv6(host[1:-1], text), port)
    if ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address goes in brackets, as in [::1]:8443")
    if re.fullmatch(r"[0-9.]+", host):
        return Address(_ipv4(host, text), port)
    if not HOST_NAME.fullmatch(host):
        raise ValueError(f"{text!r}: {host!r} is neither an IP address nor a host name")
    return Address(host, port)


def _ipv4(host: str, text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError:
        raise ValueError(f"{text!r}: {host!r} is not an IPv4 address") from None


def _ipv6(host: str, text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(host))
    except ValueError:
        raise ValueError(f"{text!r}: {host!r} is not an IPv6 address") from None
