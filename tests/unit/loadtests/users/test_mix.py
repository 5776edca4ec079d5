from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from loadtests.users.errors import LoadTestError
from loadtests.users.manifest import Asset
from loadtests.users.mix import Mix, ranges
from loadtests.users.scenario import Request, Scenario

MANIFEST = {f"/{folder}/{number}": Asset(number, "") for folder in "abc" for number in range(10)}


def test_turns_come_by_weight() -> None:
    mix = Mix(Scenario((Request("a", "/a/*", 3), Request("b", "/b/*", 1))), MANIFEST)
    chance = Random(1)
    names = Counter(mix.turn(chance).request.name for _ in range(4000))
    assert names.keys() == {"a", "b"}
    assert 2.6 < names["a"] / names["b"] < 3.4


def test_all_files_that_match_have_their_turn() -> None:
    mix = Mix(Scenario((Request("x", "/{a,b}/*"),)), MANIFEST)
    chance = Random(1)
    assert {mix.turn(chance).files[0][0] for _ in range(400)} == {path for path in MANIFEST if "/c/" not in path}


def test_the_same_seed_gives_the_same_turns() -> None:
    scenario = Scenario((Request("x", "/**", parallel=3), Request("y", "/a/*")))
    turned_round = dict(reversed(MANIFEST.items()))
    turns = [Mix(scenario, MANIFEST).turn(chance) for chance in [Random(5)] for _ in range(20)]
    again = [Mix(scenario, turned_round).turn(chance) for chance in [Random(5)] for _ in range(20)]
    assert turns == again


def test_parallel_files_are_different_ones_where_there_are_enough() -> None:
    enough, few = (Mix(Scenario((Request("x", paths, parallel=10),)), MANIFEST) for paths in ("/a/*", "/a/1"))
    assert len({path for path, _ in enough.turn(Random(1)).files}) == 10
    assert [path for path, _ in few.turn(Random(1)).files] == ["/a/1"] * 10


def test_requests_without_files_are_told_together() -> None:
    with pytest.raises(LoadTestError) as caught:
        Mix(Scenario((Request("x", "/x"), Request("a", "/a/*"), Request("y", "/y/**"))), MANIFEST)
    assert str(caught.value).splitlines() == [
        'request "x": the manifest has no path like /x',
        'request "y": the manifest has no path like /y/**',
    ]


@pytest.mark.parametrize(("length", "pieces"), [(10, 3), (9, 3), (2, 3), (1, 1), (1, 8), (8_000_000, 8)])
def test_ranges_are_the_whole_file(length: int, pieces: int) -> None:
    found = ranges(length, pieces)
    assert len(found) <= pieces
    assert [byte for first, last in found for byte in (first, last + 1)][::2] == [
        0,
        *(last + 1 for _, last in found[:-1]),
    ]
    assert found[-1][1] == length - 1
    assert all(first <= last for first, last in found)


def test_an_empty_file_has_no_ranges() -> None:
    assert ranges(0, 3) == []
