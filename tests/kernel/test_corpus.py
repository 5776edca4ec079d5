"""The corpus against the real server with the keys in the kernel, whole and in pieces: as over plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import replay
from tests.support.replay import Outcome, disk_cases, problems_of, replay_corpus
from tests.support.server import Server
from tests.support.site_tree import make_site_tree
from tests.support.wire import Dial, dialer


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site_tree(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> dict[str, Outcome]:
    with Server(tmp_path_factory.mktemp("plain"), tree, tls="off", settings=replay.SETTINGS) as server:
        return replay_corpus(dialer(server), replay.whole)


@pytest.fixture(scope="module")
def dial(tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[Dial]:
    with Server(tmp_path_factory.mktemp("server"), tree, tls="kernel", settings=replay.SETTINGS) as server:
        assert server.listening()[0].tls == "kernel"
        yield dialer(server)


@pytest.mark.parametrize("split", [replay.whole, replay.at_random])
def test_the_corpus_over_kernel_tls(dial: Dial, reference: dict[str, Outcome], split: replay.Split) -> None:
    outcomes = replay_corpus(dial, split)
    assert problems_of(outcomes) == []
    assert len(outcomes) == len(disk_cases())
    assert outcomes == reference
