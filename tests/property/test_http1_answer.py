"""Replies depend on what they say they depend on, are well-formed, and never leave a file in use."""

from __future__ import annotations

import h11
from hypothesis import given
from hypothesis import strategies as st

from ktlsserve.http1.answer import answer
from ktlsserve.http1.reply import FileSlice, Reply
from ktlsserve.http1.request import CHUNKED_BODY, NO_BODY, BodyFraming, BodyKind, Request
from tests.support.memory_site import MemoryFiles, memory_site
from tests.support.site_tree import FILES, NOW_S

METHODS = st.sampled_from([b"GET", b"GET", b"GET", b"HEAD", b"OPTIONS", b"POST", b"CONNECT", b"BREW"])
TARGETS = st.sampled_from(
    [b"/", b"/docs", b"/docs/", b"/missing", b"/noindex/", b"/../x", b"/.git", b"*", b"a", b"http://h/hello.txt"]
    + [b"/" + path for path in FILES if b"%" not in path and b"?" not in path and path.isascii()]
)
RELEVANT = st.sampled_from(
    [
        *((b"range", value) for value in (b"bytes=0-0", b"bytes=0-0,2-2", b"bytes=-1", b"bytes=99999999-", b"bytes=x")),
        *((b"if-none-match", value) for value in (b"*", b'"x"', b"x")),
        *((b"if-match", value) for value in (b"*", b'"x"', b"x")),
        (b"if-modified-since", b"Tue, 14 Nov 2023 22:13:20 GMT"),
        (b"if-unmodified-since", b"Mon, 13 Nov 2023 22:13:20 GMT"),
        *((b"if-range", value) for value in (b'"x"', b"Tue, 14 Nov 2023 22:13:20 GMT")),
        *((b"accept-encoding", value) for value in (b"gzip, br", b"*", b"identity;q=0")),
        *((b"expect", value) for value in (b"100-continue", b"x")),
    ]
)
RELEVANT_FIELDS = (
    *(b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"),
    *(b"range", b"if-range", b"accept-encoding", b"expect"),
)
IRRELEVANT = st.tuples(
    st.sampled_from([b"host", b"accept", b"user-agent", b"x-request-id", b"cookie", b"upgrade", b"origin"]),
    st.binary(max_size=5),
)
BODIES = st.sampled_from([NO_BODY, NO_BODY, CHUNKED_BODY, BodyFraming(BodyKind.LENGTH, 5)])


@st.composite
def requests(draw: st.DrawFn) -> Request:
    headers = draw(st.lists(RELEVANT | IRRELEVANT, max_size=6))
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    return Request(draw(METHODS), draw(TARGETS), version, tuple(headers), draw(st.booleans()), draw(BODIES))


def ask(request: Request, precompressed: tuple[bytes, ...], now_s: int = NOW_S) -> tuple[Reply, MemoryFiles]:
    files = MemoryFiles()
    return answer(request, memory_site(files=files, precompressed=precompressed), now_s), files


CODINGS = st.sampled_from([(), (b"br", b"gzip")])


@given(requests(), CODINGS)
def test_other_fields_than_the_relevant_ones_change_nothing(request: Request, codings: tuple[bytes, ...]) -> None:
    headers = tuple(pair for pair in request.headers if pair[0] in RELEVANT_FIELDS)
    bare = Request(request.method, request.target, request.http_version, headers, request.keep_alive, request.body)
    assert ask(bare, codings)[0] == ask(request, codings)[0]


@given(requests(), CODINGS, st.integers(1, 10**6))
def test_a_reply_dated_anew_is_the_reply_of_that_time(
    request: Request, codings: tuple[bytes, ...], later_s: int
) -> None:
    assert ask(request, codings)[0].with_date(NOW_S + later_s) == ask(request, codings, NOW_S + later_s)[0]


@given(requests(), CODINGS)
def test_every_slice_owns_one_use(request: Request, codings: tuple[bytes, ...]) -> None:
    reply, files = ask(request, codings)
    slices = [part for part in reply.body if isinstance(part, FileSlice)]
    assert files.uses() == len(slices)
    assert reply.body_bytes == sum(part.count if isinstance(part, FileSlice) else len(part) for part in reply.body)
    assert all(part.count if isinstance(part, FileSlice) else part for part in reply.body), "no empty part"
    reply.release()
    assert files.uses() == 0


@given(requests(), CODINGS)
def test_h11_reads_the_head_and_counts_the_same_body(request: Request, codings: tuple[bytes, ...]) -> None:
    reply, _ = ask(request, codings)
    client = h11.Connection(h11.CLIENT)
    # Only HEAD changes how a response of ours is read; h11 has ideas of its own about CONNECT.
    method = b"HEAD" if request.method == b"HEAD" else b"GET"
    client.send(h11.Request(method=method, target="/", headers=[("host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(reply.head + b"x" * min(reply.body_bytes, 10))
    event = client.next_event()
    assert isinstance(event, h11.Response)
    assert event.status_code == reply.status
    fields = [name for name, _ in event.headers]
    assert len(fields) == len(set(fields)), "no field twice"
    assert fields[:2] == [b"date", b"server"]
    length = dict(event.headers).get(b"content-length")
    if request.method != b"HEAD":
        assert int(length or 0) == reply.body_bytes
    assert (dict(event.headers).get(b"connection") == b"close") is reply.close
    assert not reply.body or request.method != b"HEAD"
