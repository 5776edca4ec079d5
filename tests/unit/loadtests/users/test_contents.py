from __future__ import annotations

import hashlib
import zlib

import pytest

from loadtests.users.contents import asset_of, contents, lengths, manifest_of_scenario
from loadtests.users.scenario import Files, Request, Scenario

SCENARIO = Scenario((Request("page", "/**"),), (Files("/{n}.html", (100, 10_000), 200), Files("/one", (7, 7))))


def test_they_are_the_same_everywhere() -> None:
    """The figures are those of the first run: a change makes all manifests that there are wrong."""
    manifest = manifest_of_scenario(SCENARIO)
    assert len(manifest) == 201
    assert manifest["/one"].bytes == 7
    whole = hashlib.sha256(
        "".join(f"{path} {asset.bytes} {asset.sha256}\n" for path, asset in manifest.items()).encode()
    ).hexdigest()
    assert whole == "866bc53517b8f8ca5382457663f2076a450ef731d75ab9c2dd0adb3a4d71ba0c"


@pytest.mark.parametrize("length", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 21) + 5])
def test_lengths_are_exact(length: int) -> None:
    pieces = list(contents(1, "/a", length))
    assert sum(map(len, pieces)) == length
    assert asset_of(1, "/a", length).sha256 == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_nothing_is_alike() -> None:
    (first,), (second,), (other_seed,) = contents(1, "/a", 1000), contents(1, "/b", 1000), contents(2, "/a", 1000)
    assert len({first, second, other_seed, first[500:] + first[:500]}) == 4
    assert len(zlib.compress(first)) > 1000


def test_lengths_are_spread_by_their_logarithm() -> None:
    found = sorted(length for path, length in lengths(SCENARIO).items() if path != "/one")
    assert 100 <= found[0] < 120
    assert 8_000 < found[-1] <= 10_000
    # The middle of the logarithms of 100 and 10,000.
    assert 700 < found[100] < 1400
