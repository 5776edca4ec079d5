"""The corpus against the real server: over plain HTTP and TLS, whole and in pieces, always with the same result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import replay
from tests.support.replay import Outcome, disk_cases, problems_of, replay_corpus
from tests.support.server import Server
from tests.support.wire import Dial, dialer

pytestmark = pytest.mark.slow

SPLITS = {"whole": replay.whole, "byte by byte": replay.byte_by_byte, "at random": replay.at_random}
# A record for each byte takes its time: the few cases that are about limits have tens of thousands.
LONGEST_BY_RECORDS_BYTES = 1024


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[Dial]:
    with Server(tmp_path_factory.mktemp("plain"), tree, tls="off", settings=replay.SETTINGS) as server:
        yield dialer(server)


@pytest.fixture(scope="module")
def userspace(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[Dial]:
    with Server(tmp_path_factory.mktemp("userspace"), tree, tls="userspace", settings=replay.SETTINGS) as server:
        yield dialer(server)


@pytest.fixture(scope="module")
def reference(plain: Dial) -> dict[str, Outcome]:
    return replay_corpus(plain, replay.whole)


def test_every_case_over_plain_http(reference: dict[str, Outcome]) -> None:
    assert problems_of(reference) == []
    assert len(reference) == len(disk_cases()) >= 370


@pytest.mark.parametrize("split", ["byte by byte", "at random"])
def test_plain_http_in_pieces(plain: Dial, reference: dict[str, Outcome], split: str) -> None:
    outcomes = replay_corpus(plain, SPLITS[split])
    assert problems_of(outcomes) == []
    assert outcomes == reference


@pytest.mark.parametrize("split", ["whole", "at random"])
def test_userspace_tls(userspace: Dial, reference: dict[str, Outcome], split: str) -> None:
    outcomes = replay_corpus(userspace, SPLITS[split])
    assert problems_of(outcomes) == []
    assert outcomes == reference


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_compressed_siblings(tmp_path: Path, tree: Path, tls: str) -> None:
    cases = replay.precompressed_cases()
    assert len(cases) >= 16
    with Server(tmp_path, tree, tls=tls, settings={**replay.SETTINGS, **replay.PRECOMPRESSED}) as server:
        # The second time they come out of the memo.
        for _ in range(2):
            assert problems_of(replay_corpus(dialer(server), replay.whole, cases)) == []


@pytest.mark.parametrize("tls", ["off", "userspace"])
def test_entity_tags_of_content(tmp_path: Path, tree: Path, tls: str) -> None:
    cases = replay.content_etag_cases()
    assert len(cases) >= 15
    with Server(tmp_path, tree, tls=tls, settings={**replay.SETTINGS, **replay.CONTENT_ETAGS}) as server:
        # The second time they come out of the memo.
        for _ in range(2):
            assert problems_of(replay_corpus(dialer(server), replay.whole, cases)) == []


def test_userspace_tls_with_a_record_for_each_byte(userspace: Dial, reference: dict[str, Outcome]) -> None:
    cases = [case for case in disk_cases() if len(case.send) <= LONGEST_BY_RECORDS_BYTES]
    outcomes = replay_corpus(userspace, replay.byte_by_byte, cases)
    assert problems_of(outcomes) == []
    assert outcomes == {str(case): reference[str(case)] for case in cases}
