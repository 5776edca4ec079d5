"""The HTTP table of the configuration; part of ``config``, which says how tables are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from ktlsserve.config.checks import Choice, Entries, ListOf, Matching, NetworkRange, Problem, WholeNumber
from ktlsserve.config.table import setting
from ktlsserve.networks import Network

KIB = 1024
MIB = 1024 * KIB

UnknownHost = Literal["default", "421"]

EXTENSION = Matching(r"[a-z0-9][a-z0-9_+-]{0,31}", "an extension in lower case without its dot")
# RFC 9110 section 8.3.1, with quoted parameter values left out: no registered type of a static file needs them.
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # noqa: S105  (a token of HTTP, not a secret)
MEDIA_TYPE = Matching(
    rf"|{_TOKEN}/{_TOKEN}(; ?{_TOKEN}={_TOKEN})*", "a media type such as text/html; charset=utf-8, or empty"
)
SERVER_HEADER = Matching(r"|[!-~]([ -~]{0,126}[!-~])?", "printable ASCII of at most 128 characters, or empty")


@dataclass(frozen=True, slots=True)
class Http:
    """What a request may be, and what replies say."""

    max_head_bytes: int = field(
        default=16 * KIB,
        metadata=setting(
            WholeNumber(KIB, MIB),
            "Most bytes of a request line and its headers together; beyond it the answer is 431. As h11's own limit; "
            "browsers with many cookies stay below.",
        ),
    )
    max_target_bytes: int = field(
        default=8 * KIB,
        metadata=setting(
            WholeNumber(64, MIB),
            "Most bytes of a request's target; beyond it the answer is 414. RFC 9112 section 3 recommends to take at "
            "least 8000 octets of request line.",
        ),
    )
    max_headers: int = field(
        default=100,
        metadata=setting(
            WholeNumber(4, 10_000),
            "Most header fields of a request; beyond it the answer is 431. Browsers send about 20, and load balancers "
            "add a few.",
        ),
    )
    max_discarded_body_bytes: int = field(
        default=MIB,
        metadata=setting(
            WholeNumber(0, 1024 * MIB),
            "Most bytes of a request's body, which a static server reads only to find the next request; beyond it the "
            "connection closes. As nginx's client_max_body_size.",
        ),
    )
    server_header: str = field(
        default="ktlsserve",
        metadata=setting(
            SERVER_HEADER,
            "The Server header of replies; empty: none. It names no version, so that it says nothing about known bugs.",
        ),
    )
    unknown_host: UnknownHost = field(
        default="default",
        metadata=setting(
            Choice(get_args(UnknownHost)),
            "Who answers a request for a host that is none of the sites' names: default, the first [[site]]; 421, "
            "nobody (Misdirected Request). Without any [[site]] it makes no difference.",
        ),
    )
    forwarded_from: tuple[Network, ...] = field(
        default=(),
        metadata=setting(
            ListOf(NetworkRange(), least=0),
            "Networks of proxies that are believed when they name their client in X-Forwarded-For: the access log then "
            "tells the last address there that is none of theirs. None: everybody can write that field.",
        ),
    )
    mime: Mapping[str, str] = field(
        default_factory=dict,
        metadata=setting(
            Entries(EXTENSION, MEDIA_TYPE, example='geojson = "application/geo+json"'),
            "Media types by extension, over those built in; empty: as if the extension were unknown.",
        ),
    )

    def problems(self) -> list[Problem]:
        """Return what doesn't fit together: a target is part of its head."""
        if self.max_target_bytes < self.max_head_bytes:
            return []
        return [("max_target_bytes", f"must be below max_head_bytes ({self.max_head_bytes}): it is part of the head")]
