from __future__ import annotations

import pytest

from ktlsserve.http1.answer import answer
from ktlsserve.http1.destination import parse_rewrite
from ktlsserve.http1.glob import Glob
from ktlsserve.http1.head import parse_head
from ktlsserve.http1.reply import Errand, FileSlice, Reply, ServedFile
from ktlsserve.http1.representation import FileOpener, Representation
from ktlsserve.http1.request import HeadLimits
from ktlsserve.http1.rules import Rule
from ktlsserve.http1.validators import Validators, find_validators
from tests.support.content_tags import NoErrand
from tests.support.memory_site import MemoryFiles, memory_file, memory_site
from tests.support.site_tree import MTIME_S, NOW_S

THEN = "Tue, 14 Nov 2023 22:13:20 GMT"
MODIFIED = b"Tue, 14 Nov 2023 22:13:20 GMT"
HELLO = b"hello, world\n"


ERRAND = NoErrand()


class Source:
    """Knows what the test says, by path."""

    def __init__(self, known: dict[bytes, bytes]) -> None:
        self.known = known
        self.asked: list[bytes] = []

    def find(self, _file: ServedFile, path: bytes, _files: FileOpener) -> bytes | Errand:
        self.asked.append(path)
        return self.known.get(path, ERRAND)

    def hides(self, path: bytes) -> bool:
        return path.endswith(b".css")


KNOWN = {b"hello.txt": b'"hash"', b"app.js": b'"js"', b"app.js.br": b'"js"', b"empty.txt": b'"0"'}


def ask(target: str, *fields: str, known: dict[bytes, bytes] | None = None, **site: object) -> Reply:
    """Answer as a site whose entity-tags come from a Source; no file may be left in use but those in the reply."""
    files = MemoryFiles()
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", *fields, "", ""]
    request = parse_head("\r\n".join(lines).encode("latin-1"), HeadLimits())
    source = Source(KNOWN if known is None else known)
    reply = answer(request, memory_site(files=files, etags=source, **site), NOW_S)
    assert files.uses() == sum(isinstance(part, FileSlice) for part in reply.body)
    return reply


def field(reply: Reply, name: bytes) -> bytes | None:
    for line in reply.head.split(b"\r\n"):
        if line.startswith(name + b": "):
            return line[len(name) + 2 :]
    return None


def test_without_a_source_the_file_says_all() -> None:
    file = memory_file(HELLO)
    found = find_validators(Representation(file, b"a"), None, MemoryFiles(), NOW_S)
    assert found == Validators(file.etag, MTIME_S, MODIFIED)
    assert found.fields() == ((b"ETag", file.etag), (b"Last-Modified", MODIFIED))
    assert found.etag_fields() == ((b"ETag", file.etag),)


def test_a_date_is_never_later_than_now() -> None:
    file = memory_file(HELLO, mtime_ns=(NOW_S + 60) * 1_000_000_000)
    found = find_validators(Representation(file, b"a"), None, MemoryFiles(), NOW_S)
    assert (found.modified_s, found.last_modified) == (NOW_S, b"Sun, 15 Jun 2025 15:06:40 GMT")


@pytest.mark.parametrize(
    ("coding", "path", "etag"),
    [(None, b"app.js", b'"x"'), (b"br", b"app.js.br", b'"x-br"'), (b"gzip", b"app.js.gz", b'"x-gzip"')],
)
def test_a_source_is_asked_for_the_file_that_is_sent(coding: bytes | None, path: bytes, etag: bytes) -> None:
    source = Source({path: b'"x"'})
    found = find_validators(Representation(memory_file(), b"app.js", coding), source, MemoryFiles(), NOW_S)
    assert (found.etag, found.modified_s, found.errand, source.asked) == (etag, None, None, [path])


def test_what_a_source_does_not_know_has_no_entity_tag() -> None:
    found = find_validators(Representation(memory_file(), b"a"), Source({}), MemoryFiles(), NOW_S)
    assert found == Validators(None, errand=ERRAND)
    assert found.fields() == found.etag_fields() == ()


# Over the pipeline.


def test_a_reply_says_the_sources_entity_tag_and_no_date() -> None:
    reply = ask("/hello.txt")
    assert (reply.status, reply.errand, reply.body_bytes) == (200, None, len(HELLO))
    assert field(reply, b"ETag") == b'"hash"'
    assert field(reply, b"Last-Modified") is None


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (['If-None-Match: "hash"'], 304),
        (['If-None-Match: W/"hash"'], 304),
        (['If-None-Match: "other"'], 200),
        (['If-Match: "hash"'], 200),
        (['If-Match: "other"'], 412),
        # The same time says nothing of the content.
        ([f"If-Modified-Since: {THEN}"], 200),
        (["If-Unmodified-Since: Mon, 13 Nov 2023 22:13:20 GMT"], 200),
        (["Range: bytes=0-1", 'If-Range: "hash"'], 206),
        (["Range: bytes=0-1", 'If-Range: "other"'], 200),
        (["Range: bytes=0-1", f"If-Range: {THEN}"], 200),
        (["Range: bytes=0-1,4-5"], 206),
        (["Range: bytes=99-"], 416),
    ],
)
def test_conditions_on_a_known_entity_tag(fields: list[str], status: int) -> None:
    reply = ask("/hello.txt", *fields)
    assert (reply.status, reply.errand) == (status, None)
    assert field(reply, b"ETag") == (b'"hash"' if status < 400 else None)
    assert field(reply, b"Last-Modified") is None


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([], 200),
        (['If-None-Match: "hash"'], 200),
        # There is a representation, whatever its entity-tag.
        (["If-None-Match: *"], 304),
        (["If-Match: *"], 200),
        (['If-Match: "hash"'], 412),
        ([f"If-Modified-Since: {THEN}"], 200),
        (["Range: bytes=0-1"], 206),
        (["Range: bytes=0-1,4-5"], 206),
        (["Range: bytes=99-"], 416),
        (["Range: bytes=0-1", 'If-Range: "hash"'], 200),
        (["Range: bytes=0-1", f"If-Range: {THEN}"], 200),
    ],
)
def test_conditions_on_one_that_is_not_known(fields: list[str], status: int) -> None:
    reply = ask("/hello.txt", *fields, known={})
    assert (reply.status, reply.errand) == (status, ERRAND)
    assert field(reply, b"ETag") is None
    assert field(reply, b"Last-Modified") is None


def test_siblings_with_one_content_have_two_entity_tags() -> None:
    plain = ask("/app.js", precompressed=(b"br",))
    sibling = ask("/app.js", "Accept-Encoding: br", precompressed=(b"br",))
    assert (field(plain, b"ETag"), field(sibling, b"ETag")) == (b'"js"', b'"js-br"')
    assert ask("/app.js", "Accept-Encoding: br", 'If-None-Match: "js"', precompressed=(b"br",)).status == 200
    assert ask("/app.js", "Accept-Encoding: br", 'If-None-Match: "js-br"', precompressed=(b"br",)).status == 304


def test_an_empty_file_has_an_entity_tag_too() -> None:
    assert field(ask("/empty.txt"), b"ETag") == b'"0"'


def test_what_a_source_hides_is_not_there() -> None:
    assert ask("/style.css").status == 404
    assert ask("/style.css", "Range: bytes=0-1").status == 404
    rewriting = Rule(Glob("/x"), rewrite=parse_rewrite("/style.css"))
    assert ask("/x", rules=(rewriting,)).status == 404
    falling_back = Rule(Glob("/**"), fallback=b"hello.txt")
    assert field(ask("/style.css", rules=(falling_back,)), b"ETag") == b'"hash"'


def test_a_boundary_needs_no_entity_tag() -> None:
    fields = ("Range: bytes=0-1,4-5",)
    assert field(ask("/hello.txt", *fields), b"Content-Type") == field(
        ask("/hello.txt", *fields, known={}), b"Content-Type"
    )
