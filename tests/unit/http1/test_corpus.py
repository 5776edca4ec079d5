"""The corpus over the pure core: whole, byte by byte, and split at random."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from tests.support.corpus import Case, load_cases, mismatches, parse_responses
from tests.support.http_conversation import Conversation, converse
from tests.support.memory_site import MemoryFiles, memory_site, read_memory_slice
from tests.support.site_tree import NOW_S

CASES = [case for case in load_cases() if case.needs in (None, "precompressed")]


def split_at_random(data: bytes, seed: str) -> Iterable[bytes]:
    source = random.Random(seed)
    at = 0
    while at < len(data):
        step = source.choice((1, 2, 3, 7, 20, 100, 1000))
        yield data[at : at + step]
        at += step


def replay(case: Case, pieces: Iterable[bytes]) -> list[str]:
    files = MemoryFiles()
    precompressed = (b"zstd", b"br", b"gzip") if case.needs == "precompressed" else ()
    site = memory_site(files=files, precompressed=precompressed)
    conversation = Conversation(site, NOW_S, read_slice=read_memory_slice)
    responses, rest = parse_responses(converse(conversation, pieces), case.heads())
    assert rest == b""
    assert files.uses() == 0
    return mismatches(case, responses, closed=conversation.closed)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whole(case: Case) -> None:
    assert replay(case, [case.send]) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_byte_by_byte(case: Case) -> None:
    assert replay(case, (bytes([octet]) for octet in case.send)) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_split_at_random(case: Case) -> None:
    for number in range(3):
        assert replay(case, split_at_random(case.send, f"{case} {number}")) == []


def test_the_corpus_has_not_shrunk() -> None:
    assert len(load_cases()) >= 380
