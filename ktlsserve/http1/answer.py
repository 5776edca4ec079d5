"""The pipeline from a request to its reply.

:func:`answer` reads like what it does: each step either ends with a reply, raises RequestError with the status to
answer with, or hands on to the next. Its result depends on nothing but its arguments and the file that the site's
opener returns, so a finished reply may be kept and sent again while that file is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ktlsserve.errors import RequestError
from ktlsserve.http1.dates import format_http_date
from ktlsserve.http1.reply import (
    DEFAULT_SERVER,
    Fields,
    Reply,
    ReplyTerms,
    ServedFile,
    error_reply,
    file_reply,
    make_reply,
    redirect_reply,
)
from ktlsserve.http1.request import BodyKind, Request
from ktlsserve.http1.target import Target, resolve_target

ALLOWED_METHODS = (b"GET", b"HEAD", b"OPTIONS")

REGISTERED_METHODS = frozenset(
    b"ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK LOCK MERGE MKACTIVITY "
    b"MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST PRI PROPFIND PROPPATCH PUT QUERY "
    b"REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL".split()
)
"""IANA's HTTP Method Registry: those that aren't allowed here get 405, any other method 501 (RFC 9110 section 9.1)."""

_ALLOW: Fields = ((b"Allow", b", ".join(ALLOWED_METHODS)),)


class FileOpener(Protocol):
    """Opens what a path beneath the root names; :class:`ktlsserve.files.root.Root` is one."""

    def open(self, path: bytes) -> ServedFile:
        """Return an open regular file or directory, used once; raise RequestError 403, 404 or 503."""


class TypeTable(Protocol):
    """Tells the media type by the name of a file; :class:`ktlsserve.files.mime.MimeTable` is one."""

    def type_of(self, path: bytes) -> bytes:
        """Return a Content-Type value."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is served and how.

    ``index_names`` are tried in order in a directory. ``body_bytes`` is the longest request body that is read over so
    that the connection can go on; beyond that a new connection is cheaper than the rest of the body.
    """

    files: FileOpener
    types: TypeTable
    index_names: tuple[bytes, ...] = (b"index.html",)
    server: bytes = DEFAULT_SERVER
    body_bytes: int = 1 << 20


def answer(request: Request, site: Site, now_s: int) -> Reply:
    """Return the reply to ``request`` at ``now_s`` (seconds since the epoch); never raises RequestError.

    The files in the reply's body are in use until the sender releases them. Where ``reply.close`` isn't set, a body of
    the request must be read over by a :class:`~ktlsserve.http1.body.BodyDiscarder` before the next request.
    """
    close = _closes_over_body(request, site)
    try:
        return _answer(request, site, ReplyTerms.of(request, now_s, site.server, close=close))
    except RequestError as error:
        # A 503 means that descriptors or memory ran out; holding on to the connection would make that worse.
        close = close or error.fatal or error.status == 503
        fields = ((b"Allow", b", ".join(error.allow)),) if error.allow else ()
        return error_reply(error.status, request, now_s, server=site.server, fields=fields, close=close)


def _answer(request: Request, site: Site, terms: ReplyTerms) -> Reply:
    # 1. What the method and the expectation allow.
    _check_method(request)
    _check_expectation(request)
    _check_body(request, site)

    # 2. OPTIONS asks about the server or a path, and opens nothing (RFC 9110 section 9.3.7).
    if request.method == b"OPTIONS":
        if request.target != b"*":
            resolve_target(request)
        return make_reply(204, terms, _ALLOW)

    # 3. From the target to an open file, or to the target with a slash at its end.
    target = resolve_target(request)
    opened = _open_target(target, site)
    if opened is None:
        return redirect_reply(target.directory_location(), terms)
    file, path = opened

    # 4. The file.
    return file_reply(file, _representation_fields(file, path, site, terms.now_s), terms)


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


def _open_target(target: Target, site: Site) -> tuple[ServedFile, bytes] | None:
    """Open the file that is meant, and return it with its path; None means that the target lacks its last slash."""
    if not target.directory:
        file = site.files.open(target.path)
        if not file.is_directory:
            return file, target.path
        file.release()
        return None
    for name in site.index_names:
        path = target.path + b"/" + name if target.path else name
        try:
            file = site.files.open(path)
        except RequestError as error:
            if error.status != 404:
                raise
            continue
        if not file.is_directory:
            return file, path
        file.release()
    # A folder without an index and a folder that doesn't exist look the same.
    raise RequestError(404, "no index")


def _representation_fields(file: ServedFile, path: bytes, site: Site, now_s: int) -> Fields:
    last_modified = file.last_modified
    if file.mtime_ns // 1_000_000_000 > now_s:
        # RFC 9110 section 8.8.2.1: never later than the Date.
        last_modified = format_http_date(now_s)
    return (
        (b"Content-Type", site.types.type_of(path)),
        (b"ETag", file.etag),
        (b"Last-Modified", last_modified),
        (b"Accept-Ranges", b"bytes"),
    )
