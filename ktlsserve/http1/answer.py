"""The pipeline from a request to its reply.

:func:`answer` reads like what it does: each step either ends with a reply, raises RequestError with the status to
answer with, or hands on to the next. Its result depends on nothing but its arguments and the files that the site's
opener returns, so a finished reply may be kept and sent again while those are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from ktlsserve.errors import RequestError
from ktlsserve.http1.conditionals import Precondition, evaluate_preconditions, range_applies
from ktlsserve.http1.listing import Listings
from ktlsserve.http1.negotiation import acceptable_codings
from ktlsserve.http1.ranges import ByteRange, multipart_body, multipart_boundary, select_ranges
from ktlsserve.http1.reply import (
    DEFAULT_SERVER,
    Fields,
    FileSlice,
    Reply,
    ReplyTerms,
    failure_reply,
    file_reply,
    make_reply,
    redirect_reply,
)
from ktlsserve.http1.representation import FileOpener, Representation, Tell, open_file, open_sibling, open_target
from ktlsserve.http1.request import BodyKind, Request
from ktlsserve.http1.rules import NO_RULE, Rule, find_rule
from ktlsserve.http1.target import Target, resolve_target
from ktlsserve.http1.validators import EtagSource, Validators, find_validators

ALLOWED_METHODS = (b"GET", b"HEAD", b"OPTIONS")

REGISTERED_METHODS = frozenset(
    b"ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK LOCK MERGE MKACTIVITY "
    b"MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST PRI PROPFIND PROPPATCH PUT QUERY "
    b"REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL".split()
)
"""IANA's HTTP Method Registry: those that aren't allowed here get 405, any other method 501 (RFC 9110 section 9.1)."""

_ALLOW = b", ".join(ALLOWED_METHODS)
_VARY: Fields = ((b"Vary", b"Accept-Encoding"),)


class TypeTable(Protocol):
    """Tells the media type by the name of a file; :class:`ktlsserve.files.mime.MimeTable` is one."""

    def type_of(self, path: bytes) -> bytes:
        """Return a Content-Type value."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is served and how.

    ``index_names`` are tried in order in a directory. ``body_bytes`` is the longest request body that is read over so
    that the connection can go on; beyond that a new connection is cheaper than the rest of the body. ``precompressed``
    names the content-codings (keys of ``negotiation.SUFFIXES``) whose siblings of a file, ``app.js.br`` beside
    ``app.js``, are sent to clients that take them, in the order in which the server likes them; ``tell_stale`` hears of
    each that isn't, because it is older than its file. ``rules`` are for some of its paths; ``fields`` go with every
    reply to which no rule applies (a rule holds them itself). ``error_pages`` are the files, as paths beneath the root,
    that explain a status. ``listings`` answers for folders without an index; None makes them 404. ``etags`` makes the
    entity-tags of files; without it they are of time and size. ``label`` names the site where its replies are counted.
    """

    files: FileOpener
    types: TypeTable
    index_names: tuple[bytes, ...] = (b"index.html",)
    server: bytes = DEFAULT_SERVER
    body_bytes: int = 1 << 20
    precompressed: tuple[bytes, ...] = ()
    rules: tuple[Rule, ...] = ()
    fields: Fields = ()
    error_pages: Mapping[int, bytes] = field(default_factory=dict)
    listings: Listings | None = None
    tell_stale: Tell = lambda _: None
    etags: EtagSource | None = None
    label: str = ""


def answer(request: Request, site: Site, now_s: int) -> Reply:
    """Return the reply to ``request`` at ``now_s`` (seconds since the epoch); never raises RequestError.

    Raises VerificationPending where a rule's gate must first learn something that takes long.

    The files in the reply's body are in use until the sender releases them. Where ``reply.close`` isn't set, a body of
    the request must be read over by a :class:`~ktlsserve.http1.body.BodyDiscarder` before the next request.
    """
    rule = find_rule(site.rules, request) if site.rules else None
    fields = site.fields if rule is None else rule.reply_fields(request)
    terms = ReplyTerms.of(request, now_s, site.server, close=_closes_over_body(request, site), fields=fields)
    try:
        return _answer(request, site, rule or NO_RULE, terms)
    except RequestError as error:
        # A 503 means that descriptors or memory ran out; holding on to the connection would make that worse.
        if error.fatal or error.status == 503:
            terms = replace(terms, close=True)
        return _failure(error.status, site, terms, ((b"Allow", b", ".join(error.allow)),) if error.allow else ())


def _answer(request: Request, site: Site, rule: Rule, terms: ReplyTerms) -> Reply:
    # 1. What the method, the expectation and the body allow.
    _check_method(request)
    _check_expectation(request)
    _check_body(request, site)

    # 2. OPTIONS asks about the server or a path, and opens nothing (RFC 9110 section 9.3.7).
    if request.method == b"OPTIONS":
        if request.target != b"*":
            resolve_target(request)
        return make_reply(204, terms, ((b"Allow", _ALLOW), *rule.preflight_fields(request)))

    # 3. From the target to where the site's rule leads.
    target = resolve_target(request)
    if rule.deny:
        raise RequestError(403, "denied by a rule")
    if rule.gate is not None and not rule.gate.admits(request, terms.now_s):
        return _failure(401, site, terms, (rule.gate.challenge,))
    if rule.redirect is not None:
        return redirect_reply(rule.redirect.location(target, rule.glob), terms, rule.redirect_status)

    # 4. To an open file, or to the target with a slash at its end.
    try:
        chosen = _open(site, target, rule)
    except RequestError as error:
        if site.listings is None or rule.rewrite is not None or not target.directory or error.status != 404:
            raise
        # No index and no fallback: what the folder holds, if there is such a folder.
        return site.listings.reply(request, target, site.files, terms)
    if chosen is None:
        return redirect_reply(target.directory_location(), terms)
    return _represent(chosen, request, site, rule, terms)


def _represent(chosen: Representation, request: Request, site: Site, rule: Rule, terms: ReplyTerms) -> Reply:
    # 5. A compressed sibling in its place, where the client takes one.
    for_caches = rule.cache_fields()
    if site.precompressed:
        for_caches = (*for_caches, *_VARY)
        codings = acceptable_codings(request.header(b"accept-encoding"), site.precompressed)
        chosen = open_sibling(site.files, chosen, codings, site.tell_stale)

    # 6. What a client may compare with, as far as it is known.
    validators = find_validators(chosen, site.etags, site.files, terms.now_s)

    # 7. The preconditions (RFC 9110 section 13.2.1).
    verdict = evaluate_preconditions(request, validators.etag, validators.modified_s, terms.now_s)
    if verdict is Precondition.MET:
        fields = (*_representation_fields(chosen, validators), *for_caches, *rule.file_fields(chosen.path))
        reply = _send(chosen, request, site, validators, fields, terms)
    else:
        chosen.file.release()
        if verdict is Precondition.FAILED:
            reply = _failure(412, site, terms, ())
        else:
            # What section 15.4.5 asks for: whatever of a 200 helps a cache to find its copy, and no more.
            reply = make_reply(304, terms, (*validators.etag_fields(), *for_caches))
    if validators.errand is not None:
        reply.errand = validators.errand
    return reply


def _send(
    chosen: Representation, request: Request, site: Site, validators: Validators, fields: Fields, terms: ReplyTerms
) -> Reply:
    # 8. The parts that are asked for, or else all of it.
    content_type = site.types.type_of(chosen.path)
    ranges = _requested_ranges(request, chosen, validators, terms.now_s)
    if ranges is None:
        return file_reply(chosen.file, ((b"Content-Type", content_type), *fields), terms)
    if not ranges:
        return _unsatisfiable_reply(chosen, site, terms)
    return _partial_reply(chosen, content_type, ranges, fields, terms)


def _closes_over_body(request: Request, site: Site) -> bool:
    """Tell whether the connection must end after the reply because of the request's body.

    A client that waits for a 100 and gets a final status may or may not send its body: what follows could be either a
    body or a request, so nothing may follow (RFC 9110 section 10.1.1). That holds for every expectation with a body,
    also where it is to be ignored: a proxy may have forwarded it for a client that waits. A body too long to be read
    over is the other case; a chunked one shows that only while it comes.
    """
    if request.body.kind is BodyKind.NONE:
        return False
    return request.header(b"expect") is not None or request.body.length > site.body_bytes


def _check_method(request: Request) -> None:
    if request.method in ALLOWED_METHODS:
        return
    if request.method in REGISTERED_METHODS:
        raise RequestError(405, "method not allowed", allow=ALLOWED_METHODS)
    raise RequestError(501, "unknown method")


def _check_expectation(request: Request) -> None:
    """Refuse expectations other than 100-continue (RFC 9110 section 10.1.1)."""
    if request.http_version != b"1.0" and request.header(b"expect") is not None and not request.expects_continue():
        raise RequestError(417, "unknown expectation")


def _check_body(request: Request, site: Site) -> None:
    if request.body.kind is BodyKind.LENGTH and request.body.length > site.body_bytes:
        raise RequestError(413, "request body longer than the limit")


def _check_hidden(site: Site, target: Target) -> None:
    if site.etags is not None and site.etags.hides(target.path):
        raise RequestError(404, "not for clients")


def _open(site: Site, target: Target, rule: Rule) -> Representation | None:
    """Open what ``target`` means, as :func:`open_target` does, or what its rule puts in its place.

    A folder that a rewrite leads to needs no slash: a redirect would tell the client what it isn't to know.
    """
    rewritten = rule.rewritten(target)
    try:
        _check_hidden(site, rewritten)
        chosen = open_target(site.files, rewritten, site.index_names)
        if chosen is None and rewritten is not target:
            chosen = open_target(site.files, replace(rewritten, directory=True), site.index_names)
    except RequestError as error:
        if error.status != 404 or rule.fallback is None:
            raise
        return Representation(open_file(site.files, rule.fallback), rule.fallback)
    return chosen


def _failure(status: int, site: Site, terms: ReplyTerms, fields: Fields) -> Reply:
    """Answer a request that failed with the site's page for that status, or in a line where it has none."""
    page = site.error_pages.get(status)
    if page is not None:
        try:
            file = open_file(site.files, page)
        except RequestError:
            # A page that is missing must not change the status that it was to explain.
            return failure_reply(status, terms, fields)
        return file_reply(file, (*fields, (b"Content-Type", site.types.type_of(page))), terms, status)
    return failure_reply(status, terms, fields)


def _representation_fields(chosen: Representation, validators: Validators) -> Fields:
    coding: Fields = ((b"Content-Encoding", chosen.coding),) if chosen.coding else ()
    return (*coding, *validators.fields(), (b"Accept-Ranges", b"bytes"))


def _requested_ranges(
    request: Request, chosen: Representation, validators: Validators, now_s: int
) -> tuple[ByteRange, ...] | None:
    """Return the ranges to send, none if all lie outside, None for the whole; GET only (RFC 9110 section 14.2)."""
    value = request.header(b"range") if request.method == b"GET" else None
    if value is None or not range_applies(request, validators.etag, validators.modified_s, now_s):
        return None
    return select_ranges(value, chosen.file.size)


def _unsatisfiable_reply(chosen: Representation, site: Site, terms: ReplyTerms) -> Reply:
    """Say how long the representation is, so that the client can ask again (RFC 9110 section 15.5.17)."""
    fields: Fields = ((b"Content-Range", b"bytes */%d" % chosen.file.size),)
    chosen.file.release()
    return _failure(416, site, terms, fields)


def _partial_reply(
    chosen: Representation, content_type: bytes, ranges: tuple[ByteRange, ...], fields: Fields, terms: ReplyTerms
) -> Reply:
    """Send one range as it is, several as multipart/byteranges (RFC 9110 section 15.3.7)."""
    file = chosen.file
    if len(ranges) == 1:
        only = ranges[0]
        head = ((b"Content-Type", content_type), (b"Content-Range", only.content_range(file.size)), *fields)
        return make_reply(206, terms, head, (FileSlice(file, only.offset, only.count),))
    # By time and size whatever the entity-tag is made of, and also where it isn't known yet.
    boundary = multipart_boundary(chosen.tagged(file.etag), ranges)
    head = ((b"Content-Type", b"multipart/byteranges; boundary=" + boundary), *fields)
    return make_reply(206, terms, head, multipart_body(file, content_type, ranges, boundary))
