"""Several sites behind one address: which one a request is for (RFC 9110 section 7.2, RFC 9112 section 3.3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv6Address

from ktlsserve.http1.answer import Site, answer
from ktlsserve.http1.reply import Reply, error_reply
from ktlsserve.http1.request import Request

_PORT = re.compile(rb":[0-9]*\Z")
_AUTHORITY = re.compile(rb"(?i:https?)://([^/?#]*)")


def host_name(authority: bytes) -> bytes:
    """Return the host of an authority in the form in which names are compared.

    The port is left out: a site has the same content on each. Names are in lower case, without the dot that makes
    them absolute; IPv6 addresses in brackets, in the form of RFC 5952. What is no host stays what it is.
    """
    host = _PORT.sub(b"", authority).lower()
    if not host.startswith(b"["):
        return host.removesuffix(b".")
    try:
        return b"[%b]" % IPv6Address(host.strip(b"[]").decode("ascii")).compressed.encode("ascii")
    except ValueError:
        return host


def requested_host(request: Request) -> bytes | None:
    """Return the name of the host that ``request`` is for, None where it names none (HTTP/1.0 only).

    The host in an absolute-form target goes before the Host field (RFC 9112 section 3.2.2).
    """
    match = None if request.target.startswith(b"/") else _AUTHORITY.match(request.target)
    authority = match[1] if match is not None else request.header(b"host")
    return None if authority is None else host_name(authority)


def matching_name(host: bytes, names: Container[bytes]) -> bytes | None:
    """Return which of ``names`` covers ``host``: itself, or with ``*`` in the place of its first label."""
    if host in names:
        return host
    _, dot, parent = host.partition(b".")
    wildcard = b"*." + parent
    return wildcard if dot and wildcard in names else None


@dataclass(frozen=True, slots=True)
class Sites:
    """The sites of a server.

    ``named`` maps names, as ``host_name`` returns them, to their sites; a name that starts with ``*.`` stands for all
    with one label in the place of the asterisk, as in a certificate (RFC 9525 section 6.3), and exact names go before
    it. Others are answered by ``default``, or with 421 where ``refuse_unknown`` is set: then a request that was meant
    for another server gets nothing of this one's.
    """

    default: Site
    named: Mapping[bytes, Site] = field(default_factory=dict)
    refuse_unknown: bool = False

    def choose(self, request: Request) -> Site | None:
        """Return the site that answers ``request``; None where its host is unknown and that matters."""
        if not self.named:
            return self.default
        host = requested_host(request)
        if host is None:
            return self.default
        return self.find(host) or (None if self.refuse_unknown else self.default)

    def find(self, host: bytes) -> Site | None:
        """Return the site of this name, without regard to the default."""
        name = matching_name(host, self.named)
        return None if name is None else self.named[name]

    def answer(self, request: Request, now_s: int) -> Reply:
        """Return the reply of the site that ``request`` is for; as :func:`ktlsserve.http1.answer.answer`."""
        site = self.choose(request)
        if site is None:
            # The body, if there is one, belongs to a request for someone else: the connection ends here.
            return error_reply(421, replace(request, keep_alive=False), now_s, server=self.default.server)
        reply = answer(request, site, now_s)
        reply.site = site.label
        return reply

    def labels(self) -> tuple[str, ...]:
        """Return the labels of all sites, the default one's first."""
        return tuple(dict.fromkeys(site.label for site in (self.default, *self.named.values())))

    def all(self) -> tuple[Site, ...]:
        """Return the sites, each once, the default first."""
        return tuple({id(site): site for site in (self.default, *self.named.values())}.values())

    def map(self, change: Callable[[Site], Site]) -> Sites:
        """Return the same sites, each changed once."""
        changed = {id(site): change(site) for site in self.all()}
        named = {name: changed[id(site)] for name, site in self.named.items()}
        return replace(self, default=changed[id(self.default)], named=named)
