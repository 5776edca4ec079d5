"""The corpus over the pure core: whole, byte by byte, and split at random; then over it and real files."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ktlsserve.files.content_etags import ContentEtags, EtagStore
from ktlsserve.files.mime import MimeTable
from ktlsserve.files.root import Root
from ktlsserve.http1.answer import Site
from tests.support.content_tags import MemoryEtags, PromptEtags
from tests.support.corpus import Case, load_cases, mismatches, parse_responses
from tests.support.http_conversation import Conversation, converse
from tests.support.memory_site import MemoryFiles, memory_site, read_memory_slice
from tests.support.site_tree import BODY_BYTES, NOW_S, make_site_tree

ALL_CASES = load_cases()
CASES = [case for case in ALL_CASES if case.needs != "disk"]


def codings(case: Case) -> tuple[bytes, ...]:
    return (b"zstd", b"br", b"gzip") if case.needs == "precompressed" else ()


def split_at_random(data: bytes, seed: str) -> Iterable[bytes]:
    source = random.Random(seed)
    at = 0
    while at < len(data):
        step = source.choice((1, 2, 3, 7, 20, 100, 1000))
        yield data[at : at + step]
        at += step


def replay(case: Case, conversation: Conversation, pieces: Iterable[bytes]) -> list[str]:
    responses, rest = parse_responses(converse(conversation, pieces), case.heads())
    assert rest == b""
    return mismatches(case, responses, closed=conversation.closed)


def replay_in_memory(case: Case, pieces: Iterable[bytes]) -> list[str]:
    files = MemoryFiles()
    etags = MemoryEtags() if case.needs == "content" else None
    site = memory_site(files=files, precompressed=codings(case), etags=etags)
    found = replay(case, Conversation(site, NOW_S, read_slice=read_memory_slice), pieces)
    assert files.uses() == 0
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whole(case: Case) -> None:
    assert replay_in_memory(case, [case.send]) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_byte_by_byte(case: Case) -> None:
    assert replay_in_memory(case, (bytes([octet]) for octet in case.send)) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_split_at_random(case: Case) -> None:
    for number in range(3):
        assert replay_in_memory(case, split_at_random(case.send, f"{case} {number}")) == []


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    with Root(make_site_tree(tmp_path_factory.mktemp("site"))) as opened:
        yield opened


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("case", ALL_CASES, ids=str)
def test_with_real_files(case: Case, root: Root) -> None:
    etags = PromptEtags(ContentEtags(root, EtagStore())) if case.needs == "content" else None
    site = Site(root, MimeTable(), body_bytes=BODY_BYTES, precompressed=codings(case), etags=etags)
    before = open_descriptors()
    assert replay(case, Conversation(site, NOW_S), [case.send]) == []
    assert open_descriptors() == before


def test_no_case_needs_what_no_runner_has() -> None:
    assert {case.needs for case in ALL_CASES} == {None, "disk", "precompressed", "content"}


def test_the_corpus_has_not_shrunk() -> None:
    assert len(ALL_CASES) >= 395
