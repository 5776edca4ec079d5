"""The corpus against the real server: over plain HTTP and TLS, whole and in pieces, always with the same result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.replay import SETTINGS, Outcome, at_random, byte_by_byte, disk_cases, problems_of, replay_corpus, whole
from tests.support.server import Server
from tests.support.wire import Dial, dialer

pytestmark = pytest.mark.slow

SPLITS = {"whole": whole, "byte by byte": byte_by_byte, "at random": at_random}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[Dial]:
    with Server(tmp_path_factory.mktemp("plain"), tree, tls="off", settings=SETTINGS) as server:
        yield dialer(server)


@pytest.fixture(scope="module")
def userspace(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[Dial]:
    with Server(tmp_path_factory.mktemp("userspace"), tree, tls="userspace", settings=SETTINGS) as server:
        yield dialer(server)


@pytest.fixture(scope="module")
def reference(plain: Dial) -> dict[str, Outcome]:
    return replay_corpus(plain, whole)


def test_every_case_is_replayed(reference: dict[str, Outcome]) -> None:
    assert problems_of(reference) == []
    assert len(reference) == len(disk_cases()) >= 350


@pytest.mark.parametrize("split", ["byte by byte", "at random"])
def test_plain_http_in_pieces(plain: Dial, reference: dict[str, Outcome], split: str) -> None:
    outcomes = replay_corpus(plain, SPLITS[split])
    assert problems_of(outcomes) == []
    assert outcomes == reference


@pytest.mark.parametrize("split", SPLITS)
def test_userspace_tls(userspace: Dial, reference: dict[str, Outcome], split: str) -> None:
    outcomes = replay_corpus(userspace, SPLITS[split])
    assert problems_of(outcomes) == []
    assert outcomes == reference
