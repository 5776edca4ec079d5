"""Replies: a head that is complete and a body of bytes and slices of files.

The head starts with the status line and the Date, so that a finished reply can be sent again at another second by
exchanging 29 bytes at a known place (:meth:`Reply.with_date`). Fields that name what is sent come after, ``Connection``
last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from ktlsserve.http1.dates import format_http_date
from ktlsserve.http1.request import Request

DEFAULT_SERVER = b"ktlsserve"

REASON_PHRASES = {
    200: b"OK",
    204: b"No Content",
    206: b"Partial Content",
    301: b"Moved Permanently",
    302: b"Found",
    304: b"Not Modified",
    307: b"Temporary Redirect",
    308: b"Permanent Redirect",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    412: b"Precondition Failed",
    413: b"Content Too Large",
    414: b"URI Too Long",
    416: b"Range Not Satisfiable",
    417: b"Expectation Failed",
    421: b"Misdirected Request",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    501: b"Not Implemented",
    503: b"Service Unavailable",
    505: b"HTTP Version Not Supported",
}
"""Every status that this server sends (RFC 9110 section 15, RFC 6585 sections 4 and 5)."""

# 204 and 304 have no body by definition, and 204 no Content-Length either (RFC 9110 section 8.6).
_BODILESS = frozenset((204, 304))
_DATE_BYTES = 29

Fields = tuple[tuple[bytes, bytes], ...]


class ServedFile(Protocol):
    """An open file as replies see it; :class:`ktlsserve.files.open_file.OpenFile` is one.

    It counts its users: ``retain`` adds one, ``release`` takes one away, and the last one closes the descriptor.
    """

    @property
    def fd(self) -> int:
        """The descriptor that sendfile reads from."""

    @property
    def size(self) -> int:
        """Length in bytes when it was opened."""

    @property
    def mtime_ns(self) -> int:
        """Time of the last change, in nanoseconds since the epoch."""

    @property
    def etag(self) -> bytes:
        """A strong entity-tag, quotes included."""

    @property
    def last_modified(self) -> bytes:
        """``mtime_ns`` as an HTTP date."""

    @property
    def is_directory(self) -> bool:
        """Whether it is a folder, which can't be sent."""

    def retain(self) -> object:
        """Add one use."""

    def release(self) -> object:
        """Take one use away."""


@dataclass(slots=True)
class FileSlice:
    """``count`` bytes of a file from ``offset``. Each slice owns one use of its file: release it once it is sent."""

    file: ServedFile
    offset: int
    count: int


class Errand(Protocol):
    """Something that takes too long for an event loop, after which a reply would be a better one.

    Two errands that come to the same are equal, so that it is done once for all who ask.
    """

    @property
    def size(self) -> int:
        """How many bytes there are to read, as a measure of how long it takes."""

    def __hash__(self) -> int:
        """Errands are kept in dictionaries."""

    def run(self, stopping: Callable[[], bool]) -> bytes | None:
        """Do it, slowly, in any thread, until ``stopping()``; return what ``settle`` takes, or None."""

    def settle(self, found: bytes) -> None:
        """Have whoever wanted it know, in the thread of the event loop."""


@dataclass(slots=True)
class Reply:
    """What to send, and whether the connection ends after it.

    ``head`` reaches from the status line to the blank line. ``body`` is empty for HEAD and for statuses without one;
    it never holds an empty part, so the head may leave with MSG_MORE exactly where ``body`` isn't empty.
    ``body_bytes`` is what ``body`` adds up to. Where ``errand`` isn't None the reply is right, but makes do without
    something that is known once the errand is done: it must not be kept. ``site`` is the label of the site that it
    comes from, if it is one's.
    """

    status: int
    head: bytes
    body: tuple[bytes | FileSlice, ...]
    close: bool
    body_bytes: int
    errand: Errand | None = None
    site: str = ""

    def with_date(self, now_s: int) -> Reply:
        """Return the same reply, dated ``now_s``; it shares the body, so whoever sends both must retain its files."""
        at = self.head.index(b"\r\n") + len(b"\r\nDate: ")
        head = self.head[:at] + format_http_date(now_s) + self.head[at + _DATE_BYTES :]
        return Reply(self.status, head, self.body, self.close, self.body_bytes)

    def release(self) -> None:
        """Give up the files of a reply that won't be sent."""
        for part in self.body:
            if isinstance(part, FileSlice):
                part.file.release()


@dataclass(frozen=True, slots=True)
class ReplyTerms:
    """What all replies to one request have in common, whatever their status.

    ``server`` is the value of the Server header, which is left out where it is empty; ``head_only`` is for HEAD;
    ``http_version`` is the client's, which decides how keep-alive is said (RFC 9112 section 9.3). ``fields`` are said
    in every reply that doesn't say something else by the same name itself.
    """

    now_s: int
    server: bytes = DEFAULT_SERVER
    head_only: bool = False
    close: bool = True
    http_version: bytes = b"1.1"
    fields: Fields = ()

    @classmethod
    def of(
        cls, request: Request | None, now_s: int, server: bytes, *, close: bool = False, fields: Fields = ()
    ) -> ReplyTerms:
        """Derive the terms from a request, or from the lack of one: then the connection closes."""
        if request is None:
            return cls(now_s, server, fields=fields)
        close = close or not request.keep_alive
        return cls(now_s, server, request.method == b"HEAD", close, request.http_version, fields)


def make_reply(
    status: int,
    terms: ReplyTerms,
    fields: Fields = (),
    body: Iterable[bytes | FileSlice] = (),
) -> Reply:
    """Build a reply with Date, Server, ``fields``, those of ``terms``, Content-Length and Connection, in this order.

    Takes over the uses of the files in ``body``; for HEAD they are released, and only their length is told. The status
    line says HTTP/1.1 to every client (RFC 9110 section 2.5).
    """
    parts = tuple(part for part in body if _part_bytes(part))
    body_bytes = sum(map(_part_bytes, parts))
    lines = [
        b"HTTP/1.1 %d %s" % (status, REASON_PHRASES[status]),
        b"Date: " + format_http_date(terms.now_s),
    ]
    if terms.server:
        lines.append(b"Server: " + terms.server)
    if terms.fields:
        fields = fields_over(fields, terms.fields)
    lines += [name + b": " + value for name, value in fields]
    if status not in _BODILESS:
        lines.append(b"Content-Length: %d" % body_bytes)
    if terms.close:
        lines.append(b"Connection: close")
    elif terms.http_version == b"1.0":
        lines.append(b"Connection: keep-alive")
    head = b"\r\n".join([*lines, b"", b""])
    reply = Reply(status, head, parts, terms.close, body_bytes)
    if terms.head_only:
        reply.release()
        return Reply(status, head, (), terms.close, 0)
    return reply


def error_reply(
    status: int,
    request: Request | None,
    now_s: int,
    *,
    server: bytes = DEFAULT_SERVER,
    fields: Fields = (),
    close: bool = False,
) -> Reply:
    """Build the reply to a request that failed, with a one-line body.

    Without a request (its head was bad, or didn't come in time: 408) the connection closes. The body says no more than
    the status, and nothing that the client sent: there is nothing to escape and nothing to learn from it.
    """
    return failure_reply(status, ReplyTerms.of(request, now_s, server, close=close), fields)


def failure_reply(status: int, terms: ReplyTerms, fields: Fields = ()) -> Reply:
    """Build the reply of ``error_reply`` on terms that are known."""
    text = b"%d %s\n" % (status, REASON_PHRASES[status])
    return make_reply(status, terms, (*fields, (b"Content-Type", b"text/plain; charset=utf-8")), (text,))


def redirect_reply(location: bytes, terms: ReplyTerms, status: int = 301) -> Reply:
    """Build a redirect to ``location``, an absolute path or URL.

    301 rather than 308: only GET and HEAD are redirected, whose method 301 keeps too, and every client knows it.
    """
    return make_reply(status, terms, ((b"Location", location),))


def file_reply(file: ServedFile, fields: Fields, terms: ReplyTerms, status: int = 200) -> Reply:
    """Build a reply with the whole of ``file``, of which it takes over one use."""
    if file.size:
        return make_reply(status, terms, fields, (FileSlice(file, 0, file.size),))
    file.release()
    return make_reply(status, terms, fields)


def fields_over(fields: Fields, general: Fields) -> Fields:
    """Return ``fields`` and those of ``general`` that they don't name.

    A Vary adds to another: both are needed, for each names what one part of the reply was chosen by.
    """
    named = {name.lower() for name, _ in fields} - {b"vary"}
    return (*fields, *(field for field in general if field[0].lower() not in named))


def _part_bytes(part: bytes | FileSlice) -> int:
    return part.count if isinstance(part, FileSlice) else len(part)
