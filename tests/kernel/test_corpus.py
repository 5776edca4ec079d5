"""The corpus against the real server with the keys in the kernel, whole and in pieces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import replay
from tests.support.replay import Outcome, disk_cases, problems_of, replay_corpus
from tests.support.server import Server
from tests.support.site_tree import make_site_tree
from tests.support.wire import Dial, dialer


@pytest.fixture(scope="module")
def dial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dial]:
    tree = make_site_tree(tmp_path_factory.mktemp("tree"))
    with Server(tmp_path_factory.mktemp("server"), tree, tls="kernel", settings=replay.SETTINGS) as server:
        assert server.listening()[0].tls == "kernel"
        yield dialer(server)


@pytest.fixture(scope="module")
def reference(dial: Dial) -> dict[str, Outcome]:
    return replay_corpus(dial, replay.whole)


def test_every_case_in_one_piece(reference: dict[str, Outcome]) -> None:
    assert problems_of(reference) == []
    assert len(reference) == len(disk_cases()) >= 370


def test_every_third_case_in_pieces(dial: Dial, reference: dict[str, Outcome]) -> None:
    # All of them take as long again in an emulated machine; userspace TLS has them all (tests/process).
    cases = disk_cases()[::3]
    outcomes = replay_corpus(dial, replay.at_random, cases)
    assert problems_of(outcomes) == []
    assert outcomes == {str(case): reference[str(case)] for case in cases}
