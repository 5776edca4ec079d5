from __future__ import annotations

import pytest

from loadtests.bench.errors import SetupError
from loadtests.bench.options import parse_options
from loadtests.bench.peers import PEERS, choose_peers


def test_quick_means_less_unless_said_otherwise() -> None:
    usual, quick = parse_options([]), parse_options(["--quick"])
    assert quick.rounds < usual.rounds
    assert quick.duration_s < usual.duration_s
    assert parse_options(["--quick", "--repeats", "7", "--duration", "9"]).rounds == 7


def test_lists_may_be_repeated_or_have_commas() -> None:
    options = parse_options(["--peer", "nginx,caddy", "--peer", "ktlsserve", "--workload", "10KiB"])
    assert options.peers == ("nginx", "caddy", "ktlsserve")
    assert options.workloads == ("10KiB",)


@pytest.mark.parametrize("arguments", [["--repeats", "0"], ["--duration", "-1"], ["--kernel", "moon"]])
def test_wrong_values_end_it(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options(arguments)


def test_peers_by_name_in_their_own_order() -> None:
    assert [peer.name for peer in choose_peers(["nginx", "ktlsserve"], quick=False)] == ["ktlsserve", "nginx"]
    assert {peer.name for peer in choose_peers([], quick=True)} == {"ktlsserve", "nginx"}
    assert choose_peers([], quick=False) == list(PEERS)


def test_an_unknown_peer_is_said_with_those_there_are() -> None:
    with pytest.raises(SetupError, match=r"'apache'.*nginx"):
        choose_peers(["apache"], quick=False)


def test_references_are_peers() -> None:
    names = {peer.name for peer in PEERS}
    assert all(set(peer.references) <= names - {peer.name} for peer in PEERS)
