"""Whom a request is from, as the proxies on its way have it in X-Forwarded-For.

Each proxy appends the address that it was connected from, so what a client made up stands on the left, and what is said
by somebody believed stands on the right. The field has no standard but is what everybody sends (RFC 7239 section 1).
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from ktlsserve.networks import IpAddress, Networks, unmapped

_FIELD = re.compile(rb"\r\nx-forwarded-for:[ \t]*([^\r]*)", re.IGNORECASE)
# An address as all write it; some add the port (RFC 7239 section 6 has the brackets).
_ADDRESS = re.compile(rb"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))(?::[0-9]{1,5})?|([0-9A-Fa-f:.]+)")
# Chains of proxies are short; a field of 16 KiB that names nothing but proxies is not looked through to its end.
_MOST_HOPS = 32


def forwarded_client(head: bytes, trusted: Networks) -> IpAddress | None:
    """Return the last address in the field that isn't ``trusted``: the client, as the first trusted proxy saw it.

    The caller knows that ``head`` comes from a trusted proxy. Where all addresses are trusted it is the first of them;
    what isn't an address ends the walk, and with it what can be believed. None where nothing was said.
    """
    client = None
    # Several fields are one, in their order (RFC 9110 section 5.3).
    for hop in reversed(b",".join(_FIELD.findall(head)).rsplit(b",", _MOST_HOPS)):
        address = _address(hop.strip(b" \t"))
        if address is None:
            break
        client = address
        if address not in trusted:
            break
    return client


def _address(text: bytes) -> IpAddress | None:
    found = _ADDRESS.fullmatch(text)
    if found is None:
        return None
    try:
        return unmapped(ip_address((found[1] or found[2] or found[3]).decode("ascii")))
    except ValueError:
        return None
