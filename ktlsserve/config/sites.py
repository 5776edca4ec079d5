"""The tables of the configuration about sites; part of ``config``, which says how tables are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ktlsserve.address import Address
from ktlsserve.config.checks import (
    Choice,
    Entries,
    FilePath,
    ListenAddress,
    ListOf,
    Matching,
    WholeNumber,
)
from ktlsserve.config.rule_checks import Flag, FolderOrOff, NumberChoice
from ktlsserve.config.rules import FILE_IN_SITE, HEADER_VALUE, RedirectStatus, Rule
from ktlsserve.config.table import Table, setting

SecurityHeaders = Literal["off", "strict"]
Coding = Literal["br", "zstd", "gzip"]
Etags = Literal["time", "content", "sidecar"]

TEN_YEARS_S = 10 * 365 * 24 * 3600

FILE_NAME = Matching(r"(?!\.)[^/\x00-\x1f\x7f]{1,255}", "a file name without slashes that doesn't start with a dot")
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
HOST_NAME = Matching(
    rf"(?i:(?=.{{1,253}}\Z)(?:\*\.)?{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]{{2,45}}\])",
    "a host name without a port (*.example.org: any one label in the asterisk's place; punycode for others than ASCII)",
)
REDIRECT_HOST = Matching(
    rf"(?i:|(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]{{2,45}}\])(?::[0-9]{{1,5}})?)", "a host, HOST:PORT, or empty"
)
INDEX = ListOf(FILE_NAME, least=0)
PRECOMPRESSED = ListOf(Choice(get_args(Coding)), least=0)
ETAGS = Choice(get_args(Etags))
HSTS = WholeNumber(0, TEN_YEARS_S)
SECURITY_HEADERS = Choice(get_args(SecurityHeaders))
ALT_SVC = Matching(rf"|{HEADER_VALUE.pattern}", "the value of an Alt-Svc header, or empty")
ERROR_PAGES = Entries(
    Matching(r"401|403|404|405|416|500|503", "one of the statuses 401, 403, 404, 405, 416, 500 and 503"),
    FILE_IN_SITE,
    example='404 = "/404.html"',
)


@dataclass(frozen=True, slots=True)
class SiteDefaults:
    """What every site does that doesn't say otherwise, or the only one where there is no [[site]]."""

    precompressed: tuple[Coding, ...] = field(
        default=(),
        metadata=setting(
            PRECOMPRESSED,
            "Compressed files beside the plain ones (app.js.br beside app.js) to send to those who take them, in order "
            "of preference. None: each is another look at the folder. One that is older than the file beside it isn't "
            "sent, and the log says so.",
        ),
    )
    etags: Etags = field(
        default="time",
        metadata=setting(
            ETAGS,
            "What entity-tags are made of. time: a file's time and size, which costs nothing. content: its bytes, for "
            "files whose times mean nothing (stripped by a deployment, or another on each machine); each worker reads "
            "each version of a file once, and Last-Modified isn't said. sidecar: the same, but app.js.etag beside "
            "app.js, where ktlsserve etags has made it, saves the reading; names that end in .etag are not found then.",
        ),
    )
    listing: bool = field(
        default=False,
        metadata=setting(
            Flag(),
            "Whether a folder without an index shows what it holds: a page, or JSON to those who prefer it. Off: what "
            "nobody linked to is nobody's business.",
        ),
    )
    hsts_s: int = field(
        default=0,
        metadata=setting(
            HSTS,
            "How long browsers shall use only HTTPS for this name (Strict-Transport-Security); 0: not said. A browser "
            "that was told can't be told otherwise over HTTP: begin with a short time.",
        ),
    )
    security_headers: SecurityHeaders = field(
        default="off",
        metadata=setting(
            SECURITY_HEADERS,
            "strict: a Content-Security-Policy that takes everything from the site itself and no inline scripts or "
            "styles, no framing, no sniffing. off: a policy that nobody chose breaks pages.",
        ),
    )
    alt_svc: str = field(
        default="",
        metadata=setting(
            ALT_SVC,
            'An Alt-Svc header, such as h3=":443", for an HTTP/3 server that serves the same.',
        ),
    )
    error_pages: Mapping[str, str] = field(
        default_factory=dict,
        metadata=setting(ERROR_PAGES, "Files that are sent instead of a line of text, by status."),
    )


@dataclass(frozen=True, slots=True)
class Site:
    """One of several sites, chosen by the host that a request names."""

    names: tuple[str, ...] = field(
        metadata=setting(
            ListOf(HOST_NAME),
            "Host names, without ports. *.example.org is any name with one label more; exact names go first.",
            example='["www.example.org", "*.www.example.org"]',
        ),
    )
    root: Path | None = field(
        default=None,
        metadata=setting(FilePath(), "The folder to serve. Left out: server.root.", example='"www"'),
    )
    index: tuple[str, ...] | None = field(
        default=None, metadata=setting(INDEX, "Left out: server.index.", example='["index.html"]')
    )
    precompressed: tuple[Coding, ...] | None = field(
        default=None, metadata=setting(PRECOMPRESSED, "Left out: as in [defaults].", example='["br", "gzip"]')
    )
    etags: Etags | None = field(
        default=None, metadata=setting(ETAGS, "Left out: as in [defaults].", example='"content"')
    )
    listing: bool | None = field(default=None, metadata=setting(Flag(), "Left out: as in [defaults].", example="true"))
    hsts_s: int | None = field(default=None, metadata=setting(HSTS, "Left out: as in [defaults].", example="31536000"))
    security_headers: SecurityHeaders | None = field(
        default=None, metadata=setting(SECURITY_HEADERS, "Left out: as in [defaults].", example='"strict"')
    )
    alt_svc: str | None = field(
        default=None, metadata=setting(ALT_SVC, "Left out: as in [defaults].", example="'h3=\":443\"'")
    )
    error_pages: Mapping[str, str] | None = field(
        default=None,
        metadata=setting(ERROR_PAGES, "Left out: as in [defaults].", example='{ 404 = "/404.html" }'),
    )
    rule: tuple[Rule, ...] = field(
        default=(),
        metadata=setting(
            ListOf(Table(Rule), least=0),
            "The site's rules, with the keys of [[rule]], which stand behind these.",
        ),
    )


@dataclass(frozen=True, slots=True)
class Redirect:
    """Plain HTTP listeners that send everybody to HTTPS."""

    listen: tuple[Address, ...] = field(
        default=(),
        metadata=setting(
            ListOf(ListenAddress(), least=0),
            "HOST:PORT each, such as 0.0.0.0:80; none: no such listener, because port 80 needs a privilege.",
        ),
    )
    status: RedirectStatus = field(
        default=308,
        metadata=setting(NumberChoice(get_args(RedirectStatus)), "308 is for good, and keeps the method."),
    )
    host: str = field(
        default="",
        metadata=setting(
            REDIRECT_HOST,
            "Where to; with a port, if that isn't 443. Empty: the host that was asked for, if it is one of a site's "
            "names or there are none, with the port of the first listener of [server].",
        ),
    )
    acme_root: Path | Literal["off"] = field(
        default="off",
        metadata=setting(
            FolderOrOff(),
            "A folder whose .well-known/acme-challenge is served instead: what ACME clients call the webroot.",
        ),
    )
