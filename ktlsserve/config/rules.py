"""The tables of the configuration about paths; part of ``config``, which says how tables are made."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from ktlsserve.config.checks import Entries, FilePath, ListOf, Matching, Problem
from ktlsserve.config.rule_checks import Flag, NumberChoice, Parsed
from ktlsserve.config.table import Table, setting
from ktlsserve.http1.destination import parse_redirect, parse_rewrite
from ktlsserve.http1.glob import Glob, has_rest

RedirectStatus = Literal[301, 302, 307, 308]

# RFC 9110 section 5.5 without obs-text and tabs: what every client reads alike.
HEADER_VALUE = Matching(r"[!-~](?:[ -~]{0,4094}[!-~])?", "printable ASCII of at most 4096 characters")
# Framing and connection are the server's, and so is what it says of a file: a second value would contradict the first.
_OWN_FIELDS = (
    *("accept-ranges", "allow", "cache-control", "connection", "content-disposition", "content-encoding"),
    *("content-length", "content-range", "content-type", "date", "etag", "keep-alive", "last-modified", "location"),
    *("proxy-authenticate", "proxy-authentication-info", "proxy-connection", "server", "te", "trailer"),
    *("transfer-encoding", "upgrade", "www-authenticate"),
)
HEADER_NAME = Matching(
    rf"(?i:(?!(?:{'|'.join(_OWN_FIELDS)})\Z)[!#$%&'*+.^_`|~0-9A-Z-]{{1,128}})",
    "the name of a header that the server doesn't write itself",
)
HEADERS = Entries(HEADER_NAME, HEADER_VALUE, example='X-Robots-Tag = "noindex"')
FILE_IN_SITE = Matching(
    r"(?:/(?!\.)[^/\x00-\x1f\x7f]+)+", "the path of a file beneath the root: a slash first, and no hidden names"
)
ORIGIN = Matching(
    r"\*|[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?",
    'an origin as browsers send it, such as "https://app.example", or "*"',
)


# RFC 9111 section 3.5: these let shared caches keep the replies to requests with credentials.
_FOR_ALL = re.compile(r"(?i)immutable\Z|.*\b(?:public|s-maxage|must-revalidate)\b")


@dataclass(frozen=True, slots=True)
class Auth:
    """Who is let in, by user and password (HTTP Basic)."""

    realm: str = field(
        metadata=setting(
            Matching(r"[ !#-\[\]-~]{1,128}", "printable ASCII without quotes and backslashes"),
            "What browsers show beside the question for the password.",
        ),
    )
    users: Path = field(
        metadata=setting(
            FilePath(),
            "A file with a line NAME:HASH for each user: bcrypt, as htpasswd -B writes it, or argon2id.",
        ),
    )


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for some paths: the first rule whose pattern matches the path of a request, alone."""

    path: str = field(
        metadata=setting(
            Parsed(Glob, "a pattern such as /assets/**"),
            "The decoded path that was asked for: * within a segment, ** for any number of segments, ? for a "
            "character, {a,b} for either. /docs/** is /docs and all below it.",
            example='"/assets/**"',
        ),
    )
    cache_control: str = field(
        default="",
        metadata=setting(
            Matching(rf"|{HEADER_VALUE.pattern}", "the value of a Cache-Control header, immutable, or empty"),
            'Cache-Control of files. "immutable" stands for a year without revalidation: for names that change with '
            "the content.",
            example='"immutable"',
        ),
    )
    headers: Mapping[str, str] = field(
        default_factory=dict,
        metadata=setting(
            HEADERS,
            "Further headers of every reply, also of errors. One of the site's own by the same name isn't sent.",
            example='{ X-Robots-Tag = "noindex" }',
        ),
    )
    cors: tuple[str, ...] = field(
        default=(),
        metadata=setting(
            ListOf(ORIGIN, least=0),
            'Origins whose scripts may read the files; ["*"] is all. Preflight requests are answered; credentials are '
            "never allowed.",
            example='["https://app.example.org"]',
        ),
    )
    deny: bool = field(default=False, metadata=setting(Flag(), "Answer 403, whatever is there.", example="true"))
    redirect: str = field(
        default="",
        metadata=setting(
            Parsed(parse_redirect, "a path or https://HOST/path, with {path} or {rest} at its end or not"),
            "Send the client elsewhere. {path} at the end is the path that was asked for, {rest} what the ** at the "
            "pattern's end stands for. The query goes along, unless the redirect has one.",
            example='"https://www.example.org/{path}"',
        ),
    )
    redirect_status: RedirectStatus = field(
        default=308,
        metadata=setting(
            NumberChoice(get_args(RedirectStatus)),
            "308 is for good, 307 for now; 301 and 302 are for clients from before 2015.",
            example="301",
        ),
    )
    rewrite: str = field(
        default="",
        metadata=setting(
            Parsed(parse_rewrite, "a path beneath the root, with {path} or {rest} at its end or not"),
            "Look for another file instead, without the client's knowledge. {path} and {rest} as in redirect.",
            example='"/releases/latest/{rest}"',
        ),
    )
    fallback: str = field(
        default="",
        metadata=setting(
            FILE_IN_SITE,
            "The file that is served, with 200, where nothing is found: for applications that route in the browser.",
            example='"/index.html"',
        ),
    )
    download: bool = field(
        default=False,
        metadata=setting(Flag(), "Have browsers save files under their name rather than show them.", example="true"),
    )
    auth: Auth | None = field(
        default=None,
        metadata=setting(
            Table(Auth),
            "Let in only the users of a file (NAME:HASH lines, as htpasswd -B writes them, or argon2id), who give "
            "their password by HTTP Basic: use it over TLS only.",
            example='{ realm = "Staff", users = "staff.htpasswd" }',
        ),
    )

    def problems(self) -> list[Problem]:
        """Return what doesn't fit together."""
        problems = []
        ends = [name for name in ("deny", "redirect", "rewrite", "fallback") if getattr(self, name)]
        for one, *others in (("deny", "redirect", "rewrite", "fallback"), ("redirect", "rewrite", "fallback")):
            problems += [(other, f"has no effect beside {one}") for other in others if {one, other} <= set(ends)]
        for name in ("redirect", "rewrite"):
            if "{rest}" in getattr(self, name) and not has_rest(self.path):
                problems.append((name, "{rest} needs a path that ends in /**"))
        lower = [name.lower() for name in self.headers]
        problems += [
            (f"headers.{name}", "is there twice: names differ in more than their case")
            for position, name in enumerate(self.headers)
            if name.lower() in lower[:position]
        ]
        if self.auth is not None and self.deny:
            problems.append(("auth", "has no effect beside deny"))
        if self.auth is not None and _FOR_ALL.match(self.cache_control):
            problems.append(("cache_control", "lets shared caches answer everybody; with auth, say private"))
        if "*" in self.cors and len(self.cors) > 1:
            problems.append(("cors", '"*" is all origins: name no others beside it'))
        return problems
