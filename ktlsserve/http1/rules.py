"""What a site does differently for some of its paths.

The first rule whose pattern matches the request's path holds, alone. Patterns see the path that was asked for: a rule
for a folder's index must match the folder, and a rewrite isn't looked up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ktlsserve.errors import RequestError
from ktlsserve.http1.auth import Gate
from ktlsserve.http1.cors import Cors
from ktlsserve.http1.destination import Destination, canonical_path
from ktlsserve.http1.disposition import attachment
from ktlsserve.http1.glob import Glob
from ktlsserve.http1.reply import Fields
from ktlsserve.http1.request import Request
from ktlsserve.http1.target import Target, resolve_target


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for the paths that ``glob`` matches.

    ``fields`` go with every reply, the site's own included; ``cache_control`` and a Content-Disposition (``download``)
    with files only: what holds for a file doesn't for the news that it isn't there. ``deny`` answers 403. ``gate``
    answers 401 to those whom it doesn't admit. ``redirect`` and ``rewrite`` send the client, or the look-up, elsewhere.
    ``fallback`` is the file served where nothing is found.
    """

    glob: Glob
    fields: Fields = ()
    cache_control: bytes = b""
    cors: Cors | None = None
    deny: bool = False
    redirect: Destination | None = None
    redirect_status: int = 308
    rewrite: Destination | None = None
    fallback: bytes | None = None
    download: bool = False
    gate: Gate | None = None

    def reply_fields(self, request: Request) -> Fields:
        """Return what each reply to ``request`` says, whatever its status."""
        return self.fields if self.cors is None else (*self.fields, *self.cors.fields(request))

    def preflight_fields(self, request: Request) -> Fields:
        """Return what the reply to an OPTIONS adds."""
        return () if self.cors is None else self.cors.preflight_fields(request)

    def cache_fields(self) -> Fields:
        """Return what a 200 or 206 and the 304 in its place say to caches (RFC 9110 section 15.4.5)."""
        return ((b"Cache-Control", self.cache_control),) if self.cache_control else ()

    def file_fields(self, path: bytes) -> Fields:
        """Return what the reply with the file at ``path`` says of it, besides what caches need."""
        return ((b"Content-Disposition", attachment(path)),) if self.download else ()

    def rewritten(self, target: Target) -> Target:
        """Return the target to look up."""
        return target if self.rewrite is None else self.rewrite.rewritten(target, self.glob)


NO_RULE = Rule(Glob("/**"))
"""What holds for a path that no rule of its site matches."""


def find_rule(rules: Sequence[Rule], request: Request) -> Rule | None:
    """Return the rule for a request, None also where its target names no path: the pipeline says what is wrong."""
    try:
        path = canonical_path(resolve_target(request))
    except RequestError:
        return None
    return next((rule for rule in rules if rule.glob.matches(path)), None)
