"""From the configuration's sites, rules and redirects to the objects that answer requests."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ktlsserve.config import Auth, Config, Rule, Site, SiteDefaults
from ktlsserve.config.sites import Etags
from ktlsserve.files.content_etags import ContentEtags, EtagStore
from ktlsserve.files.etag_sidecar import SUFFIX
from ktlsserve.files.listing import FolderReader
from ktlsserve.files.mime import MimeTable
from ktlsserve.files.root import Root
from ktlsserve.files.sidecar_etags import SidecarEtags
from ktlsserve.http1 import answer, https_redirect, rules
from ktlsserve.http1.auth import Gate
from ktlsserve.http1.cors import Cors
from ktlsserve.http1.destination import parse_redirect, parse_rewrite
from ktlsserve.http1.glob import Glob
from ktlsserve.http1.listing import Listings
from ktlsserve.http1.presets import IMMUTABLE, site_fields
from ktlsserve.http1.reply import Fields, fields_over
from ktlsserve.http1.sites import Sites, host_name
from ktlsserve.http1.validators import EtagSource
from ktlsserve.observe.stale_siblings import StaleSiblings
from ktlsserve.passwords import load_users
from ktlsserve.supervisor.listeners import Listener

Roots = Mapping[Path, Root]

DEFAULT_LABEL = "default"
"""The label of the only site of a server without any ``[[site]]``."""


def open_roots(config: Config) -> dict[Path, Root]:
    """Open each folder that is served, the default site's first; raise RootError, having closed the others."""
    acme = () if config.redirect.acme_root == "off" or not config.redirect.listen else (config.redirect.acme_root,)
    opened: dict[Path, Root] = {}
    try:
        for path in dict.fromkeys((*config.roots(), *acme)):
            opened[path] = Root(path)
    except BaseException:
        for root in opened.values():
            root.close()
        raise
    return opened


def assemble_sites(config: Config, roots: Roots) -> Sites:
    """Make the sites of ``config``, whose folders are ``roots``; without any ``[[site]]``, the one of ``[server]``.

    Raises StartupError for what is wrong with a file of users.
    """
    types = MimeTable(config.http.mime)
    configured = config.site or (Site(names=()),)
    gates = _gates(config)
    store = EtagStore()
    made = [_site(config, site, roots[site.root or config.server.root], types, gates, store) for site in configured]
    named = {_name(name): site for table, site in zip(configured, made, strict=True) for name in table.names}
    return Sites(made[0], named, refuse_unknown=config.http.unknown_host == "421")


def assemble_redirect(
    config: Config, roots: Roots, sites: Sites, listeners: Sequence[Listener]
) -> https_redirect.HttpsRedirect:
    """Make what the listeners of ``[redirect]`` answer; ``listeners`` are those of ``[server]``, in its order."""
    redirect = config.redirect
    challenges = None
    if redirect.acme_root != "off":
        challenges = answer.Site(
            files=roots[redirect.acme_root],
            types=MimeTable(),
            index_names=(),
            server=config.http.server_header.encode("ascii"),
            body_bytes=config.http.max_discarded_body_bytes,
        )
    return https_redirect.HttpsRedirect(
        host=redirect.host.encode("ascii"),
        port=int(listeners[0].bound.rpartition(":")[2]),
        names=frozenset(sites.named),
        status=redirect.status,
        server=config.http.server_header.encode("ascii"),
        challenges=challenges,
    )


def _gates(config: Config) -> dict[Auth, Gate]:
    """Make a gate for each kind of ``auth``: rules that say the same share what it has learned."""
    rules_of_all = (*config.rule, *(rule for site in config.site for rule in site.rule))
    wanted = dict.fromkeys(rule.auth for rule in rules_of_all if rule.auth is not None)
    key = os.urandom(32)
    return {auth: Gate(auth.realm.encode("ascii"), load_users(auth.users).verify, key) for auth in wanted}


def _site(
    config: Config, site: Site, root: Root, types: MimeTable, gates: Mapping[Auth, Gate], store: EtagStore
) -> answer.Site:
    defaults = config.defaults
    index = config.server.index if site.index is None else site.index
    precompressed = defaults.precompressed if site.precompressed is None else site.precompressed
    pages = defaults.error_pages if site.error_pages is None else site.error_pages
    fields = _fields(site, defaults, secure=config.tls.mode != "off")
    listing = defaults.listing if site.listing is None else site.listing
    etags = site.etags or defaults.etags
    hidden = SUFFIX if etags == "sidecar" else None
    return answer.Site(
        files=root,
        types=types,
        index_names=tuple(name.encode() for name in index),
        server=config.http.server_header.encode("ascii"),
        body_bytes=config.http.max_discarded_body_bytes,
        precompressed=tuple(coding.encode("ascii") for coding in precompressed),
        rules=tuple(_rule(rule, fields, gates) for rule in (*site.rule, *config.rule)),
        fields=fields,
        listings=Listings(FolderReader(root, config.files.listed_entries, hidden)) if listing else None,
        error_pages={int(status): page[1:].encode() for status, page in pages.items()},
        tell_stale=StaleSiblings(site.root or config.server.root).tell,
        etags=_etag_source(etags, root, store),
        label=site.names[0].lower() if site.names else DEFAULT_LABEL,
    )


def _etag_source(etags: Etags, root: Root, store: EtagStore) -> EtagSource | None:
    if etags == "time":
        return None
    content = ContentEtags(root, store)
    return SidecarEtags(content) if etags == "sidecar" else content


def _fields(site: Site, defaults: SiteDefaults, *, secure: bool) -> Fields:
    hsts_s = defaults.hsts_s if site.hsts_s is None else site.hsts_s
    alt_svc = defaults.alt_svc if site.alt_svc is None else site.alt_svc
    return site_fields(
        security_headers=site.security_headers or defaults.security_headers,
        hsts_s=hsts_s if secure else 0,
        alt_svc=alt_svc.encode("ascii"),
    )


def _rule(rule: Rule, general: Fields, gates: Mapping[Auth, Gate]) -> rules.Rule:
    own = tuple((name.encode("ascii"), value.encode("ascii")) for name, value in rule.headers.items())
    return rules.Rule(
        glob=Glob(rule.path),
        fields=fields_over(own, general),
        cache_control=IMMUTABLE if rule.cache_control == "immutable" else rule.cache_control.encode("ascii"),
        cors=Cors(frozenset(origin.encode("ascii") for origin in rule.cors)) if rule.cors else None,
        deny=rule.deny,
        redirect=parse_redirect(rule.redirect) if rule.redirect else None,
        redirect_status=rule.redirect_status,
        rewrite=parse_rewrite(rule.rewrite) if rule.rewrite else None,
        fallback=rule.fallback[1:].encode() if rule.fallback else None,
        download=rule.download,
        gate=gates[rule.auth] if rule.auth is not None else None,
    )


def _name(name: str) -> bytes:
    """Return a name as ``Sites`` compares it; the asterisk isn't part of a host."""
    return host_name(name.encode("ascii"))
