"""Replies to requests for a folder that has no index: a page for people, or JSON for programs that ask for it.

A listing costs microseconds for each of its entries, and holds hundreds of bytes for each while it is sent. So that
nobody keeps a worker busy by asking again and again, or fills its memory by taking the answers slowly, what was listed
within the current second is sent again as it is, and a listing that comes out as the one before is the same object.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

from ktlsserve.errors import RequestError
from ktlsserve.http1 import listing_html, listing_json
from ktlsserve.http1.accept import media_weight
from ktlsserve.http1.conditionals import Precondition, evaluate_preconditions
from ktlsserve.http1.folder import Folder, Order, parse_order
from ktlsserve.http1.reply import Fields, Reply, ReplyTerms, ServedFile, make_reply
from ktlsserve.http1.representation import FileOpener
from ktlsserve.http1.request import Request
from ktlsserve.http1.target import Target

KEPT_BYTES = 8 << 20
"""Room for some ten listings of the greatest length by default, and for hundreds of usual ones."""

_UTF8 = frozenset(((b"charset", b"utf-8"),))

# What a 304 repeats (RFC 9110 section 15.4.5). A folder may change at any time, and nothing announces it.
_FOR_CACHES: Fields = ((b"Cache-Control", b"no-cache"), (b"Vary", b"Accept"))
_NOT_SNIFFED = (b"X-Content-Type-Options", b"nosniff")
# A JSON array has no place to say that it isn't all. The value is a boolean of RFC 9651.
_INCOMPLETE = (b"Listing-Complete", b"?0")


class FolderReader(Protocol):
    """Reads folders; :class:`ktlsserve.files.listing.FolderReader` is one."""

    def read(self, file: ServedFile, path: bytes) -> Folder:
        """Return what the folder that is open as ``file`` and lies at ``path`` holds; may raise RequestError."""


@dataclass(frozen=True, slots=True)
class Page:
    """A listing to send; ``fields`` describe it, but for its strong entity-tag ``etag``."""

    etag: bytes
    fields: Fields
    body: bytes


class _Question(NamedTuple):
    path: bytes
    order: Order
    as_json: bool


class Listings:
    """Makes the replies for folders that have no index.

    ``reader`` is asked at most once a second for each folder, order and format, as long as the pages fit into
    ``kept_bytes`` (0 keeps none). Those that nobody has asked for the longest make room for others.
    """

    def __init__(self, reader: FolderReader, kept_bytes: int = KEPT_BYTES) -> None:
        self._reader = reader
        self._kept_bytes = kept_bytes
        self._used_bytes = 0
        self._kept: OrderedDict[_Question, tuple[Page, int]] = OrderedDict()

    def reply(self, request: Request, target: Target, files: FileOpener, terms: ReplyTerms) -> Reply:
        """Answer a GET or HEAD for the folder at ``target``, whose URL ended in a slash, opening it by ``files``.

        The entity-tags of preconditions are evaluated. A listing has no time of modification, so their dates are
        ignored (RFC 9110 sections 13.1.3 and 13.1.4), and so is Range, as any server may. Raises RequestError as the
        opener and the reader do, 404 for what is no folder, and 412.
        """
        question = _Question(target.path, parse_order(target.query), prefers_json(request))
        file = files.open(target.path)
        try:
            if not file.is_directory:
                raise RequestError(404, "not a folder")
            page = self._page(question, file, terms.now_s)
        finally:
            file.release()
        verdict = evaluate_preconditions(request, page.etag, None, terms.now_s)
        if verdict is Precondition.FAILED:
            raise RequestError(412, "a precondition failed")
        fields: Fields = ((b"ETag", page.etag), *_FOR_CACHES)
        if verdict is Precondition.NOT_MODIFIED:
            return make_reply(304, terms, fields)
        return make_reply(200, terms, (*page.fields, *fields), (page.body,))

    def _page(self, question: _Question, file: ServedFile, now_s: int) -> Page:
        last, made_s = self._kept.get(question, (None, 0))
        if last is not None and made_s == now_s:
            self._kept.move_to_end(question)
            return last
        page = make_page(self._reader.read(file, question.path), question.order, as_json=question.as_json)
        if page == last:
            # The same object as the replies that are still being sent.
            page = last
        self._keep(question, page, now_s)
        return page

    def _keep(self, question: _Question, page: Page, now_s: int) -> None:
        last = self._kept.pop(question, None)
        if last is not None:
            self._used_bytes -= len(last[0].body)
        if len(page.body) > self._kept_bytes:
            return
        self._kept[question] = page, now_s
        self._used_bytes += len(page.body)
        while self._used_bytes > self._kept_bytes:
            _, (oldest, _) = self._kept.popitem(last=False)
            self._used_bytes -= len(oldest.body)


def prefers_json(request: Request) -> bool:
    """Tell whether the client wants JSON more than HTML; who likes both equally (``*/*``) gets the page."""
    accept = request.header(b"accept")
    return media_weight(accept, b"application/json") > media_weight(accept, b"text/html", _UTF8)


def make_page(folder: Folder, order: Order, *, as_json: bool) -> Page:
    """List ``folder`` in ``order``."""
    incomplete: Fields = () if folder.complete else (_INCOMPLETE,)
    if as_json:
        body = listing_json.listing_json(folder, order)
        fields: Fields = ((b"Content-Type", listing_json.CONTENT_TYPE), _NOT_SNIFFED, *incomplete)
    else:
        body = listing_html.listing_html(folder, order)
        policy = (b"Content-Security-Policy", listing_html.CONTENT_SECURITY_POLICY)
        fields = ((b"Content-Type", listing_html.CONTENT_TYPE), policy, _NOT_SNIFFED, *incomplete)
    return Page(b'"%b"' % blake2b(body, digest_size=12).hexdigest().encode(), fields, body)
