from __future__ import annotations

import gc
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ktlsserve.files.cache import FileCache
from ktlsserve.files.open_file import OpenFile
from ktlsserve.files.root import Root
from ktlsserve.http1.answer import Site, answer
from ktlsserve.http1.dates import format_http_date
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.reply import FileSlice, Reply, error_reply
from ktlsserve.http1.request import HeadLimits
from ktlsserve.kernel.inotify import ChangeNotices
from ktlsserve.observe.access_line import RequestFields
from ktlsserve.worker import memo as module
from ktlsserve.worker.memo import FinishedReply, Memo
from ktlsserve.worker.residency import Residency
from tests.support.content_tags import NoErrand
from tests.support.memory_site import SmallTypes
from tests.support.site_tree import MTIME_S, NOW_S

LIMITS = HeadLimits()
SMALL_BYTES = 100
MAX_AGE_S = 5.0
LARGE = bytes(range(256)) * 4


class Notices(ChangeNotices):
    """Notices without the kernel, whose teardown of inotify takes long: ``changed`` is what there is to take."""

    def __init__(self) -> None:
        self.changed = False

    def __len__(self) -> int:
        return 0

    def watch(self, path: bytes) -> bool:
        return True

    def take(self) -> bool:
        changed, self.changed = self.changed, False
        return changed


class Bench:
    """A memo with a real folder behind it, and the time in the test's hands."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._root = Root(folder)
        self.notices = Notices()
        self.cache = FileCache(self._root, self.notices, most_entries=10, max_age_s=MAX_AGE_S)
        self.cache.now_s = 100.0
        self.residency = Residency()
        self.site = Site(files=self.cache, types=SmallTypes())
        self.memo = Memo(self.cache, LIMITS, SMALL_BYTES, self.residency)

    def answer(self, head: bytes) -> bytes:
        """Answer in the long way, keep the reply, and return its bytes."""
        request = parse_head(head, LIMITS)
        self.cache.horizon_s, epoch = math.inf, self.cache.epoch
        reply = answer(request, self.site, NOW_S)
        self.memo.keep(head, request, reply, epoch, 0)
        wire = wire_of(reply)
        reply.release()
        return wire

    def find(self, head: bytes) -> FinishedReply | None:
        known = self.memo.find(head, self.cache.now_s)
        return known and known[0]

    def find_by_key(self, head: bytes) -> FinishedReply | None:
        known = self.memo.find_by_key(head, self.cache.now_s)
        return known and known[0]

    def log_text(self, head: bytes) -> bytes | None:
        """Find a head by its bytes, else by its key; return what the log says of it."""
        known = self.memo.find(head, self.cache.now_s) or self.memo.find_by_key(head, self.cache.now_s)
        return known and known[1]

    def close(self) -> None:
        self.cache.clear()
        self._root.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    (tmp_path / "small.txt").write_bytes(b"a small file\n")
    (tmp_path / "exact.txt").write_bytes(bytes(SMALL_BYTES))
    (tmp_path / "large.txt").write_bytes(LARGE)
    (tmp_path / "empty.txt").touch()
    for path in tmp_path.iterdir():
        # A time that isn't in these tests' future.
        os.utime(path, (MTIME_S, MTIME_S))
    made = Bench(tmp_path)
    yield made
    made.close()


def get(path: str, *fields: bytes, method: bytes = b"GET") -> bytes:
    return b"\r\n".join((method + b" /" + path.encode() + b" HTTP/1.1", b"Host: a", *fields, b"", b""))


def wire_of(reply: Reply) -> bytes:
    parts = [
        os.pread(part.file.fd, part.count, part.offset) if isinstance(part, FileSlice) else part for part in reply.body
    ]
    return b"".join((reply.head, *parts))


def finished_wire(finished: FinishedReply | None, second: int = NOW_S) -> bytes:
    """Date a finished reply, and return its bytes."""
    assert finished is not None
    finished.date(second)
    if finished.file is None:
        return finished.wire
    return finished.wire + os.pread(finished.file.fd, finished.count, finished.offset)


REQUESTS = {
    "small": get("small.txt"),
    "at the threshold": get("exact.txt"),
    "large": get("large.txt"),
    "empty": get("empty.txt"),
    "missing": get("missing.txt"),
    "a folder": get(""),
    "HEAD": get("large.txt", method=b"HEAD"),
    "a range": get("large.txt", b"Range: bytes=10-300"),
    "a small range": get("large.txt", b"Range: bytes=10-20"),
    "an unsatisfiable range": get("large.txt", b"Range: bytes=5000-"),
    "not modified": get("small.txt", b"If-Modified-Since: " + format_http_date(MTIME_S)),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_kept_reply_is_the_one_that_was_made(name: str, bench: Bench) -> None:
    head = REQUESTS[name]
    assert bench.find(head) is None
    assert bench.find_by_key(head) is None
    wire = bench.answer(head)
    assert finished_wire(bench.find(head)) == wire
    assert finished_wire(bench.find_by_key(head)) == wire


@pytest.mark.parametrize("name", REQUESTS)
def test_a_head_that_differs_in_nothing_that_matters_finds_it(name: str, bench: Bench) -> None:
    wire = bench.answer(REQUESTS[name])
    other = REQUESTS[name].replace(b"Host: a", b"X-Request-Id: 77\r\nHost: a")
    assert bench.find(other) is None
    assert finished_wire(bench.find_by_key(other)) == wire
    # From then on it is found without looking into it.
    assert bench.find(other) is bench.find(REQUESTS[name])


def test_only_the_date_changes_with_the_second(bench: Bench) -> None:
    wire = bench.answer(get("small.txt"))
    finished = bench.find(get("small.txt"))
    later = finished_wire(finished, NOW_S + 3661)
    assert later == wire.replace(format_http_date(NOW_S), format_http_date(NOW_S + 3661))
    assert finished is not None
    assert finished.second == NOW_S + 3661
    assert finished_wire(finished) == wire


def test_small_files_are_kept_whole_and_large_ones_open(bench: Bench) -> None:
    for name, size in (("small.txt", 13), ("exact.txt", SMALL_BYTES), ("empty.txt", 0)):
        bench.answer(get(name))
        finished = bench.find(get(name))
        assert finished is not None
        assert (finished.file, finished.count, finished.body_bytes, finished.status) == (None, 0, size, 200)
    bench.answer(get("large.txt"))
    finished = bench.find(get("large.txt"))
    assert finished is not None
    assert finished.file is not None
    assert (finished.offset, finished.count, finished.body_bytes) == (0, len(LARGE), len(LARGE))


def test_without_small_files_in_memory_all_are_sent_from_disk(bench: Bench) -> None:
    bench.memo = Memo(bench.cache, LIMITS, 0, bench.residency)
    wire = bench.answer(get("small.txt"))
    finished = bench.find(get("small.txt"))
    assert finished_wire(finished) == wire
    assert finished is not None
    assert finished.count == 13


def test_a_client_that_wants_the_connection_closed_is_answered_from_memory_too(bench: Bench) -> None:
    head = get("large.txt", b"Connection: close")
    wire = bench.answer(head)
    assert b"\r\nConnection: close\r\n" in wire
    finished = bench.find(head)
    assert finished_wire(finished) == wire
    assert finished is not None
    assert finished.close
    rest = finished.rest(len(wire) - 1)
    assert rest.close
    rest.release()
    bench.answer(get("large.txt"))
    kept_alive = bench.find(get("large.txt"))
    assert kept_alive is not None
    assert not kept_alive.close


# What isn't kept.


@pytest.mark.parametrize(
    "head",
    [
        get("small.txt").replace(b"HTTP/1.1", b"HTTP/1.0"),
        get("small.txt", b"Content-Length: 5"),
        get("small.txt", b"Transfer-Encoding: chunked"),
        get("small.txt", method=b"OPTIONS"),
        get("small.txt", method=b"DELETE"),
        get("large.txt", b"Range: bytes=0-1,100-300"),
    ],
)
def test_replies_of_other_kinds_are_not_kept(head: bytes, bench: Bench) -> None:
    bench.answer(head)
    assert bench.find(head) is None
    assert bench.find_by_key(head) is None


def test_a_file_that_shrinks_while_it_is_read_is_not_kept(bench: Bench) -> None:
    head = get("small.txt")
    request = parse_head(head, LIMITS)
    bench.cache.horizon_s = math.inf
    reply = answer(request, bench.site, NOW_S)
    os.truncate(bench.folder / "small.txt", 5)
    bench.memo.keep(head, request, reply, bench.cache.epoch, 0)
    reply.release()
    assert bench.find(head) is None


def test_a_long_head_is_found_by_its_key_alone(bench: Bench) -> None:
    long = get("small.txt", b"Cookie: " + b"x" * module._LONGEST_HEAD_BYTES)
    wire = bench.answer(long)
    assert bench.find(long) is None
    assert finished_wire(bench.find_by_key(long)) == wire
    assert bench.find(long) is None


def test_a_connection_that_ends_by_itself_is_no_reason_to_keep_its_reply(bench: Bench) -> None:
    head = get("small.txt")
    request = parse_head(head, LIMITS)
    reply = answer(replace(request, keep_alive=False), bench.site, NOW_S)
    assert reply.close
    bench.memo.keep(head, request, reply, bench.cache.epoch, 0)
    reply.release()
    assert bench.find(head) is None


def test_trouble_of_the_server_is_not_kept(bench: Bench) -> None:
    head = get("small.txt", b"Connection: close")
    request = parse_head(head, LIMITS)
    bench.memo.keep(head, request, error_reply(503, request, NOW_S), bench.cache.epoch, 0)
    assert bench.find(head) is None


# For how long.


@pytest.mark.parametrize("name", REQUESTS)
def test_a_reply_is_good_until_its_files_are_doubtful(name: str, bench: Bench) -> None:
    head = REQUESTS[name]
    bench.answer(head)
    bench.cache.now_s += MAX_AGE_S - 0.001
    assert bench.find(head) is not None
    bench.cache.now_s += 0.001
    assert bench.find(head) is None
    assert bench.find_by_key(head) is None
    bench.answer(head)
    assert bench.find(head) is not None


@pytest.mark.parametrize("name", REQUESTS)
def test_any_change_on_the_disk_makes_all_replies_doubtful(name: str, bench: Bench) -> None:
    head = REQUESTS[name]
    bench.answer(head)
    bench.notices.changed = True
    bench.cache.take_notices()
    assert bench.find(head) is None
    assert bench.find_by_key(head) is None


def test_a_changed_file_is_answered_anew(bench: Bench) -> None:
    head = get("small.txt")
    old = bench.answer(head)
    (bench.folder / "small.txt").write_bytes(b"new content")
    bench.notices.changed = True
    bench.cache.take_notices()
    new = bench.answer(head)
    assert new.endswith(b"new content")
    assert new != old
    assert finished_wire(bench.find(head)) == new


def test_a_file_that_the_cache_has_closed_is_not_sent(bench: Bench) -> None:
    bench.answer(get("large.txt"))
    finished = bench.find(get("large.txt"))
    assert finished is not None
    bench.cache.clear()
    assert isinstance(finished.file, OpenFile)
    assert finished.file.closed
    assert bench.find(get("large.txt")) is None


# What was sent in part.


@pytest.mark.parametrize("name", ["small", "large", "a range", "empty", "HEAD", "missing"])
def test_the_rest_of_a_reply_is_what_was_not_sent(name: str, bench: Bench) -> None:
    wire = bench.answer(REQUESTS[name])
    finished = bench.find(REQUESTS[name])
    assert finished is not None
    finished.date(NOW_S)
    for sent in {0, 1, len(finished.wire) - 1, len(finished.wire), len(finished.wire) + 1, len(wire) - 1, len(wire)}:
        if sent <= len(wire):
            rest = finished.rest(sent)
            assert wire_of(rest) == wire[sent:]
            assert (rest.status, rest.body_bytes, rest.close) == (finished.status, finished.body_bytes, False)
            assert all(not isinstance(part, FileSlice) or part.count for part in rest.body)
            rest.release()
    # Each rest had a use of the file, and gave it back: the cache's own is left.
    if finished.file is not None:
        bench.cache.clear()
        assert finished.file.closed


# What the access log says.


class LogTexts:
    """Stands for ``AccessLog.reply_text``; refuses what is longer than 200 bytes, and counts."""

    def __init__(self) -> None:
        self.written = 0

    def __call__(self, head: bytes, status: int, body_bytes: int) -> bytes | None:
        self.written += 1
        fields = RequestFields.of(head)
        text = b"%d %d %b %b" % (status, body_bytes, fields.request_line, fields.user_agent or b"-")
        return text if len(text) <= 200 else None


@pytest.fixture
def texts(bench: Bench) -> LogTexts:
    texts = LogTexts()
    bench.memo = Memo(bench.cache, LIMITS, SMALL_BYTES, bench.residency, texts)
    return texts


def test_without_a_log_nothing_is_written_out(bench: Bench) -> None:
    bench.answer(get("small.txt"))
    assert bench.log_text(get("small.txt")) == b""
    assert bench.log_text(get("small.txt", b"User-Agent: a")) == b""


def test_what_the_log_says_is_written_out_once_for_all_heads_that_say_the_same(bench: Bench, texts: LogTexts) -> None:
    bench.answer(get("small.txt", b"User-Agent: a"))
    for number in range(10):
        head = get("small.txt", b"User-Agent: a", b"X-Request-Id: %d" % number)
        for _ in range(2):
            assert bench.log_text(head) == b"200 13 GET /small.txt HTTP/1.1 a"
    assert texts.written == 1


def test_heads_that_the_log_tells_apart_have_texts_of_their_own(bench: Bench, texts: LogTexts) -> None:
    bench.answer(get("small.txt"))
    for agent in (b"a", b"b", b"a"):
        assert bench.log_text(get("small.txt", b"User-Agent: " + agent)) == b"200 13 GET /small.txt HTTP/1.1 " + agent
    bench.answer(get("exact.txt", b"User-Agent: a"))
    assert bench.log_text(get("exact.txt", b"User-Agent: a")) == b"200 %d GET /exact.txt HTTP/1.1 a" % SMALL_BYTES
    assert texts.written == 4


def test_a_changed_file_has_a_text_of_its_own(bench: Bench, texts: LogTexts) -> None:
    bench.answer(get("small.txt"))
    (bench.folder / "small.txt").write_bytes(b"longer than it was\n")
    bench.cache.now_s += 2 * MAX_AGE_S
    bench.answer(get("small.txt"))
    assert bench.log_text(get("small.txt")) == b"200 19 GET /small.txt HTTP/1.1 -"


def test_what_the_log_must_shorten_is_not_known(bench: Bench, texts: LogTexts) -> None:
    long = get("small.txt", b"User-Agent: " + b"x" * 300)
    bench.answer(long)
    assert bench.find(long) is None
    assert bench.find_by_key(long) is None
    assert bench.find_by_key(get("small.txt")) is not None


# Bounds.


def test_books_that_are_full_are_begun_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ENTRIES", 4)
    for number in range(40):
        bench.answer(get(f"missing-{number}"))
        bench.find_by_key(get("small.txt", b"X-Id: %d" % number))
        assert len(bench.memo._by_key) <= 4
        assert len(bench.memo._by_head) <= 4
    bench.answer(get("small.txt"))
    for number in range(40):
        assert bench.find_by_key(get("small.txt", b"X-Id: %d" % number)) is not None
        assert len(bench.memo._by_head) <= 4


def test_so_is_what_the_log_says(bench: Bench, texts: LogTexts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ENTRIES", 4)
    bench.answer(get("small.txt"))
    for number in range(40):
        assert bench.log_text(get("small.txt", b"User-Agent: %d" % number)) is not None
        assert sum(len(finished.texts) for finished in bench.memo._by_key.values()) <= 4


def test_replies_that_are_no_longer_sent_are_let_go_of(bench: Bench, texts: LogTexts) -> None:
    """A file that changes all the time has a new reply each time: the old ones would add up."""

    def replies() -> int:
        gc.collect()
        return sum(isinstance(thing, FinishedReply) for thing in gc.get_objects())

    before = replies()
    heads = [get("small.txt", b"User-Agent: %d" % number) for number in range(3)]
    for number in range(20):
        (bench.folder / "small.txt").write_bytes(b"x" * number)
        bench.cache.now_s += 2 * MAX_AGE_S
        bench.answer(heads[0])
        for head in heads:
            assert bench.log_text(head) is not None
    assert replies() == before + 1


def test_a_reply_that_awaits_something_is_not_kept(bench: Bench) -> None:
    head = get("small.txt")
    request = parse_head(head, LIMITS)
    bench.cache.horizon_s = math.inf
    reply = answer(request, bench.site, NOW_S)
    reply.errand = NoErrand()
    bench.memo.keep(head, request, reply, bench.cache.epoch, 0)
    assert bench.find(head) is None
    reply.errand = None
    bench.memo.keep(head, request, reply, bench.cache.epoch, 0)
    assert bench.find(head) is not None
    reply.release()
