"""All settings: a frozen dataclass per TOML table, each default once, with its reason beside it.

``config.file`` makes a ``Config`` from a file and what goes before it; ``config.toml`` prints ``config/default.toml``
from what stands here, so the reasons below are the ones that operators read. Units are in the names.

A new table is a new dataclass and a field of ``Config``; an array of tables is ``ListOf(Table(...), least=0)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ktlsserve.config.admin import Admin
from ktlsserve.config.checks import (
    Choice,
    ListOf,
    LogTarget,
    Problem,
    Seconds,
    WholeNumber,
)
from ktlsserve.config.files import Files
from ktlsserve.config.http import Http
from ktlsserve.config.rules import Auth, Rule
from ktlsserve.config.server import ConfineMode, Server
from ktlsserve.config.sites import Redirect, Site, SiteDefaults
from ktlsserve.config.table import Table, setting
from ktlsserve.config.tls import CertificateFiles, Tls, TlsMode

__all__ = [
    "AccessFormat",
    "Auth",
    "CertificateFiles",
    "Config",
    "ConfineMode",
    "Files",
    "Http",
    "Limits",
    "Log",
    "LogFormat",
    "LogLevel",
    "Origin",
    "Redirect",
    "Rule",
    "Server",
    "Site",
    "SiteDefaults",
    "Timeouts",
    "Tls",
    "TlsMode",
]

HOUR_S = 3600
KIB = 1024
MIB = 1024 * KIB

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
AccessFormat = Literal["combined", "json"]


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long a connection may take for each thing, in seconds."""

    handshake_s: float = field(
        default=10.0,
        metadata=setting(
            Seconds(HOUR_S),
            "From accept to the end of the TLS handshake, with a PROXY header before it: several round trips of the "
            "slowest network, and short enough that idle connections don't fill the places for handshakes.",
        ),
    )
    head_s: float = field(
        default=10.0,
        metadata=setting(
            Seconds(HOUR_S),
            "From the first byte of a request to the end of its head (and as long again for its body). A head is one "
            "or two packets: who takes longer is holding the connection.",
        ),
    )
    idle_s: float = field(
        default=60.0,
        metadata=setting(
            Seconds(24 * HOUR_S),
            "Between requests. Behind a load balancer it must be longer than the balancer's own idle timeout.",
        ),
    )
    send_s: float = field(
        default=30.0,
        metadata=setting(
            Seconds(HOUR_S),
            "Without any progress while a reply is sent: the client takes nothing. Any byte taken starts it anew.",
        ),
    )
    close_s: float = field(
        default=10.0,
        metadata=setting(
            Seconds(HOUR_S),
            "For an orderly close: until the last bytes are acknowledged and the client has closed its side.",
        ),
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a worker takes on, and how much of it one client may take."""

    connections: int = field(
        default=10_000,
        metadata=setting(
            WholeNumber(1, 1_000_000),
            "Most open connections in a worker; further ones wait in the kernel's queue. Each takes one descriptor, "
            "and one for the file that it sends.",
        ),
    )
    backlog: int = field(
        default=1024,
        metadata=setting(
            WholeNumber(1, 65_535),
            "Length of the kernel's queue of connections not yet accepted (listen(2)); net.core.somaxconn caps it. "
            "Room for the bursts that a load generator starts with.",
        ),
    )
    slice_bytes: int = field(
        default=MIB,
        metadata=setting(
            WholeNumber(16 * KIB, 1024 * MIB),
            "Most bytes that one connection sends before the others have their turn. At 3 GB/s it is a third of a "
            "millisecond, and the cost of a turn no longer shows.",
        ),
    )
    shared_slice_bytes: int = field(
        default=128 * KIB,
        metadata=setting(
            WholeNumber(16 * KIB, 1024 * MIB),
            "The same for a reply that was begun before, while others ask for something: what they may have to wait "
            "for. At 3 GB/s it is a twentieth of a millisecond, less than the small requests of 1,000 clients take by "
            "themselves. Never more than slice_bytes.",
        ),
    )
    connections_per_client: int = field(
        default=0,
        metadata=setting(
            WholeNumber(0, 65_535),
            "Most open connections of one client with all workers together: an IPv4 address, or the first 64 bits of "
            "an IPv6 address, which are one subscriber's. Further ones are reset before their handshake. 0: no limit, "
            "because a whole company, or a load balancer, may share one address.",
        ),
    )
    requests_per_connection: int = field(
        default=0,
        metadata=setting(
            WholeNumber(0, 1_000_000_000),
            "Requests after which a connection ends; the last reply says so. 0: no limit, because load balancers use "
            "a connection for hours, and each new one costs a handshake.",
        ),
    )
    requests_per_second: int = field(
        default=0,
        metadata=setting(
            WholeNumber(0, 1_000_000),
            "Requests that one client (as above) may make each second, on all its connections with all workers; beyond "
            "it the answer is 429, with Retry-After. 0: no limit, because people who share an address would share it.",
        ),
    )
    requests_burst: int = field(
        default=200,
        metadata=setting(
            WholeNumber(1, 1_000_000),
            "Requests that a client may make at once before requests_per_second holds: some pages with all that "
            "belongs to them.",
        ),
    )


@dataclass(frozen=True, slots=True)
class Log:
    """What is logged, where to, and how."""

    level: LogLevel = field(
        default="info",
        metadata=setting(
            Choice(get_args(LogLevel)),
            "The least important messages logged. info tells starts, stops and reloads, and nothing per request.",
        ),
    )
    format: LogFormat = field(
        default="text",
        metadata=setting(Choice(get_args(LogFormat)), "text for people, json (one object a line) for collectors."),
    )
    access_log: Path | Literal["off", "-"] = field(
        default="off",
        metadata=setting(
            LogTarget(),
            'A line for every request, to this file, relative to this file\'s folder, or "-" for standard output. off: '
            "a line costs as much as a small reply.",
        ),
    )
    access_format: AccessFormat = field(
        default="combined",
        metadata=setting(
            Choice(get_args(AccessFormat)),
            "combined is what Apache and nginx write and every analyser reads.",
        ),
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a configuration came from, so that a reload can read it again.

    ``overrides`` is what the command line and the environment said, by key path (``tls.mode``), as TOML would give it,
    paths absolute; ``told_by`` is where each of them was said (``--tls``, ``KTLSSERVE_TLS``).
    """

    file: Path | None = None
    overrides: Mapping[str, object] = field(default_factory=dict)
    told_by: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Config:
    """All settings; ``Config()`` holds the defaults."""

    server: Server = field(default_factory=Server, metadata=setting(Table(Server), "The server."))
    tls: Tls = field(default_factory=Tls, metadata=setting(Table(Tls), "Encryption."))
    http: Http = field(default_factory=Http, metadata=setting(Table(Http), "Requests and replies."))
    files: Files = field(default_factory=Files, metadata=setting(Table(Files), "Files kept open."))
    timeouts: Timeouts = field(default_factory=Timeouts, metadata=setting(Table(Timeouts), "Timeouts."))
    limits: Limits = field(
        default_factory=Limits, metadata=setting(Table(Limits), "Limits of a worker, and of each client.")
    )
    log: Log = field(default_factory=Log, metadata=setting(Table(Log), "Logs."))
    defaults: SiteDefaults = field(
        default_factory=SiteDefaults, metadata=setting(Table(SiteDefaults), "What sites have in common.")
    )
    rule: tuple[Rule, ...] = field(
        default=(),
        metadata=setting(
            ListOf(Table(Rule), least=0),
            "What holds for some paths: of all rules the first whose pattern matches, alone. Those of a [[site]] stand "
            "before these, which hold for all sites.",
        ),
    )
    site: tuple[Site, ...] = field(
        default=(),
        metadata=setting(
            ListOf(Table(Site), least=0),
            "Several sites, chosen by the host that a request names; the first one is the default. Without any, "
            "[server] is the only site.",
        ),
    )
    redirect: Redirect = field(default_factory=Redirect, metadata=setting(Table(Redirect), "From HTTP to HTTPS."))
    admin: Admin = field(default_factory=Admin, metadata=setting(Table(Admin), "The admin endpoint."))
    origin: Origin = field(default_factory=Origin, compare=False)

    def roots(self) -> tuple[Path, ...]:
        """Return the folders of the sites, that of the default site first, each once."""
        return tuple(dict.fromkeys(site.root or self.server.root for site in self.site)) or (self.server.root,)

    def problems(self) -> list[Problem]:
        """Return what doesn't fit together: a name of two sites, an address of two listeners."""
        problems = []
        seen: set[str] = set()
        for number, site in enumerate(self.site):
            for position, name in enumerate(site.names):
                if name.lower() in seen:
                    problems.append((f"site[{number}].names[{position}]", f"{name} is another site's name already"))
                seen.add(name.lower())
        problems += [
            (f"redirect.listen[{position}]", "is an address of server.listen")
            for position, address in enumerate(self.redirect.listen)
            if address in self.server.listen
        ]
        problems += [
            (f"admin.listen[{position}]", "is an address of server.listen or redirect.listen")
            for position, address in enumerate(self.admin.listen)
            if address.port and address in (*self.server.listen, *self.redirect.listen)
        ]
        return problems
