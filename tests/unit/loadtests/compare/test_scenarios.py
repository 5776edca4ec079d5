from __future__ import annotations

from loadtests.compare.samples import BY_KEY
from loadtests.compare.scenarios import SCENARIOS
from loadtests.users.scenario import load_scenario


def test_all_have_the_same_files_because_one_tree_is_served() -> None:
    first, *others = [load_scenario(scenario.file) for scenario in SCENARIOS.values()]
    assert all((other.file, other.seed) == (first.file, first.seed) for other in others)


def test_each_asks_for_one_thing_on_one_connection_for_each_user() -> None:
    """Both protocols are asked alike, and the times of a row are those of one kind of request."""
    for scenario in SCENARIOS.values():
        loaded = load_scenario(scenario.file)
        assert [request.name for request in loaded.request] == [scenario.name]
        assert loaded.request[0].parallel == 1
        assert loaded.users.connections == 1
        assert loaded.users.think_s == (0, 0)


def test_each_is_about_a_metric() -> None:
    assert all(scenario.primary in BY_KEY for scenario in SCENARIOS.values())
