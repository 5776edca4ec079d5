from __future__ import annotations

import pytest

from loadtests.bench.processors import Processors, bound_to, choose, parse_cpu_list


def test_server_and_client_are_apart() -> None:
    assert choose({2, 3}, {2: {2}, 3: {3}}) == Processors(2, (3,))


def test_the_other_thread_of_the_servers_core_stays_idle() -> None:
    siblings = {0: {0, 2}, 2: {0, 2}, 1: {1, 3}, 3: {1, 3}}
    assert choose({0, 1, 2, 3}, siblings) == Processors(0, (1, 3))


def test_a_big_machine_is_not_used_whole() -> None:
    assert choose(set(range(64)), {}).client == (1, 2, 3, 4)


def test_a_machine_too_small_is_said() -> None:
    assert "one processor" in choose({5}, {5: {5}}).caution
    two_threads = choose({0, 1}, {0: {0, 1}, 1: {0, 1}})
    assert two_threads.client == (1,)
    assert "same core" in two_threads.caution


def test_commands_are_bound() -> None:
    processors = Processors(0, (2, 3))
    assert processors.for_server(["nginx"]) == ["taskset", "-c", "0", "nginx"]
    assert processors.for_client(["wrk"]) == ["taskset", "-c", "2,3", "wrk"]


def test_real_time_goes_before_everything_else() -> None:
    processors = Processors(0, (2, 3), priority=2)
    assert processors.for_server(["nginx"]) == ["chrt", "--rr", "2", "taskset", "-c", "0", "nginx"]
    assert processors.for_client(["wrk"]) == ["chrt", "--rr", "2", "taskset", "-c", "2,3", "wrk"]


@pytest.mark.parametrize(("text", "numbers"), [("0\n", {0}), ("0-2,5\n", {0, 1, 2, 5}), ("\n", set())])
def test_the_kernels_lists(text: str, numbers: set[int]) -> None:
    assert parse_cpu_list(text) == numbers


def test_a_command_that_is_bound_to_none_may_run_on_all() -> None:
    assert bound_to((), ["x"]) == ["x"]
    assert bound_to((1, 3), ["x"]) == ["taskset", "-c", "1,3", "x"]
