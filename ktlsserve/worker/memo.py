"""Finished replies, found by the bytes of a request's head.

Theory of operation
-------------------
A reply depends on what ``request_key`` keeps of a head and on the files that were opened for it, and its Date on the
second. So a reply once made is made again by exchanging 29 bytes, for as long as its files are known to be unchanged
(``FileCache``: the same epoch, before ``horizon_s``).

Two books lead to the same entry: by the raw head, which is one look-up for the client that repeats itself; and by the
key, for heads that differ in fields that don't matter. Both are bounded, and simply emptied when full: what is asked
for often is back at once, and no book-keeping is paid for on a hit. With an access log an entry also has what lines say
of it, by the fields that only the log looks at, so that it is written out once and not for each head; these texts go
with their entry, and together are bounded in the same way.

A small file's bytes are kept with the head, to leave in one call: cheaper than send and sendfile up to the threshold
that was measured. Larger ones are slices of an open file. An entry owns no reference to it, and is not used once the
cache has let go of the file.
"""

from __future__ import annotations

from collections.abc import Callable

from ktlsserve.files.cache import FileCache
from ktlsserve.files.open_file import OpenFile
from ktlsserve.http1.dates import format_http_date
from ktlsserve.http1.reply import FileSlice, Reply
from ktlsserve.http1.request import BodyKind, HeadLimits, Request
from ktlsserve.http1.request_key import RequestKey, request_key
from ktlsserve.worker.residency import Residency

_DATE_BYTES = 29
# Heads of browsers have 300 to 1000 bytes; who sends more is not helped by what would crowd out the others.
_LONGEST_HEAD_BYTES = 2048
_MOST_ENTRIES = 4096
# Bodies that aren't files: error texts, multipart heads. A listing can be larger, and is kept where it is made.
_LONGEST_BODY_BYTES = 4096


class FinishedReply:
    """A reply that can be sent again.

    ``wire`` is its head dated ``second``, with the body behind it unless ``file`` is set: then ``count`` bytes from
    ``offset`` of that file follow. ``cell`` is where each time that it is sent again is counted, ``texts`` what
    the access log says of it, by the lines of the fields that it looks at.
    """

    __slots__ = (
        "_after",
        "_before",
        "body_bytes",
        "cell",
        "close",
        "count",
        "epoch",
        "file",
        "offset",
        "second",
        "status",
        "texts",
        "valid_until_s",
        "wire",
    )  # fmt: skip

    def __init__(self, reply: Reply, body: bytes, part: FileSlice | None, cell: int = 0) -> None:
        date_at = reply.head.index(b"\r\n") + len(b"\r\nDate: ")
        self._before = reply.head[:date_at]
        self._after = reply.head[date_at + _DATE_BYTES :] + body
        self.body_bytes = reply.body_bytes
        self.close = reply.close
        self.cell = cell
        self.status = reply.status
        self.texts: dict[tuple[bytes, ...], bytes] = {}
        self.file: OpenFile | None = None
        if part is not None and isinstance(part.file, OpenFile):
            self.file = part.file
        self.offset = part.offset if part is not None else 0
        self.count = part.count if part is not None else 0
        self.second = -1
        self.wire = b""
        self.epoch = -1
        self.valid_until_s = 0.0

    def date(self, clock_s: int) -> None:
        """Make ``wire`` say what second it is."""
        self.second = clock_s
        self.wire = self._before + format_http_date(clock_s) + self._after

    def rest(self, sent_bytes: int) -> Reply:
        """Return what is left of the reply after ``sent_bytes``, as a reply that has its own use of the file."""
        body: tuple[bytes | FileSlice, ...] = ()
        sent_of_file = max(0, sent_bytes - len(self.wire))
        if self.file is not None and sent_of_file < self.count:
            body = (FileSlice(self.file.retain(), self.offset + sent_of_file, self.count - sent_of_file),)
        return Reply(self.status, self.wire[sent_bytes:], body, close=self.close, body_bytes=self.body_bytes)


Known = tuple[FinishedReply, bytes]
"""What a head leads to: the reply, and what the access log says of it and the request (b"" without a log)."""

LogText = Callable[[bytes, int, int], bytes | None]
"""``AccessLog.reply_text``."""


class Memo:
    """The finished replies of one worker, of files opened through ``cache``.

    ``log_text`` makes what lines of the access log say of a reply, and is None where there is no log.
    """

    __slots__ = ("_by_head", "_by_key", "_cache", "_limits", "_log_text", "_residency", "_small_bytes", "_texts")

    def __init__(
        self,
        cache: FileCache,
        limits: HeadLimits,
        small_bytes: int,
        residency: Residency,
        log_text: LogText | None = None,
    ) -> None:
        self._cache = cache
        self._log_text = log_text
        self._residency = residency
        self._small_bytes = small_bytes
        self._limits = limits
        self._by_head: dict[bytes, Known] = {}
        self._by_key: dict[RequestKey, FinishedReply] = {}
        # How many texts the entries may have.
        self._texts = 0

    def find(self, head: bytes, now_s: float) -> Known | None:
        """Return the finished reply to exactly these bytes, if it may still be sent."""
        known = self._by_head.get(head)
        if known is not None and not self._may_be_sent(known[0], now_s):
            return None
        return known

    def find_by_key(self, head: bytes, now_s: float) -> Known | None:
        """Return the finished reply to a head that differs from a known one in nothing that matters.

        ``head`` is a whole one; it is known from now on.
        """
        noted: list[bytes] | None = None if self._log_text is None else []
        key = request_key(head, self._limits, noted)
        if key is None:
            return None
        finished = self._by_key.get(key)
        if finished is None or not self._may_be_sent(finished, now_s):
            return None
        return self._enter_head(head, finished, noted)

    def keep(self, head: bytes, request: Request, reply: Reply, epoch: int, cell: int) -> None:
        """Keep a reply just made from ``head``, if it is of a kind that can be sent again.

        ``epoch`` is the cache's before the reply was worked out. Its files must still be open: what was opened for it
        since ``cache.horizon_s`` was reset decides how long it is good. Each time that it is sent again is counted in
        ``cell``.
        """
        # Where it isn't the request that ends the connection, something is wrong that may be over at the next one; so
        # it is where there were too many requests.
        if (reply.close and request.keep_alive) or reply.status == 429 or reply.status >= 500:
            return
        if reply.errand or len(reply.body) > 1 or request.body.kind is not BodyKind.NONE:
            return
        noted: list[bytes] | None = None if self._log_text is None else []
        key = request_key(head, self._limits, noted)
        if key is None:
            return
        part = reply.body[0] if reply.body else b""
        if isinstance(part, bytes):
            if len(part) > _LONGEST_BODY_BYTES:
                return
            finished = FinishedReply(reply, part, None, cell)
        elif part.count <= self._small_bytes:
            content = self._residency.read(part.file, part.offset, part.count)
            if content is None or len(content) != part.count:
                # Not read yet: this reply goes another way, and the next one like it is kept. Or just truncated.
                return
            finished = FinishedReply(reply, content, None, cell)
        else:
            finished = FinishedReply(reply, b"", part, cell)
        finished.epoch = epoch
        finished.valid_until_s = self._cache.horizon_s
        if len(self._by_key) >= _MOST_ENTRIES:
            self._by_key.clear()
        self._by_key[key] = finished
        self._enter_head(head, finished, noted)

    def _may_be_sent(self, finished: FinishedReply, now_s: float) -> bool:
        return (
            finished.epoch == self._cache.epoch
            and now_s < finished.valid_until_s
            and (finished.file is None or not finished.file.closed)
        )

    def _enter_head(self, head: bytes, finished: FinishedReply, noted: list[bytes] | None) -> Known | None:
        """Have a head lead to a reply; return None, and do nothing, where the log would have to shorten its line."""
        known = (finished, b"")
        if self._log_text is not None and noted is not None:
            text = finished.texts.get(tuple(noted)) or self._write_out(self._log_text, head, finished, noted)
            if text is None:
                return None
            known = (finished, text)
        if len(head) <= _LONGEST_HEAD_BYTES:
            if len(self._by_head) >= _MOST_ENTRIES:
                self._by_head.clear()
            self._by_head[head] = known
        return known

    def _write_out(self, log_text: LogText, head: bytes, finished: FinishedReply, noted: list[bytes]) -> bytes | None:
        """Have the log write out what it says of a reply, and keep that."""
        text = log_text(head, finished.status, finished.body_bytes)
        if text is None:
            return None
        if self._texts >= _MOST_ENTRIES:
            for other in self._by_key.values():
                other.texts.clear()
            self._texts = 0
        self._texts += 1
        finished.texts[tuple(noted)] = text
        return text


class NoMemo(Memo):
    """Keeps nothing, for what is answered anew each time."""

    __slots__ = ()

    def keep(self, head: bytes, request: Request, reply: Reply, epoch: int, cell: int) -> None:
        """See ``Memo``."""
