"""Locust in several processes, on one machine and as on several, and by its web interface: sums are of all users."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from loadtests.bench.place import free_port
from tests.support.locust_run import (
    HTTPS,
    SCENARIO,
    LocustRun,
    Target,
    WebInterface,
    answered,
    ended,
    make_site,
    options,
    run,
)
from tests.support.processes import children
from tests.support.server import Server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow

USERS = 4
TURNS = ("--turns", "10")
# Longer than Locust's workers wait between two reports, so that there are several.
UNHURRIED = f"{SCENARIO}think_s = 0.4\n"
HEADLESS = ("--headless", "--users", str(USERS), "--spawn-rate", "100")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nobody writes to it."""
    return make_site(tmp_path_factory.mktemp("site"))


@contextmanager
def serving(folder: Path, site: Path) -> Iterator[tuple[Target, Path]]:
    """Serve; yields where, and the access log, which is whole when the block has ended."""
    access_log = folder / "access.log"
    with Server(
        folder, site, tls="userspace", settings={"log.access_log": str(access_log), "log.level": "warning"}
    ) as server:
        yield Target(server.url, server.ca_file), access_log


class Machines:
    """A master and its workers, as they would be on machines of their own, with options of their own."""

    def __init__(self, stack: ExitStack, folder: Path, target: Target, scenario: str = SCENARIO) -> None:
        self._scenario = scenario
        self._stack = stack
        self._folder = folder
        self._target = target
        self._port = str(free_port())

    def master(self, workers: int, *arguments: str | Path) -> LocustRun:
        place = ("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", self._port)
        results = ("--results", self._folder / "master" / "results.json")
        given = options(self._folder / "master", self._target, self._scenario)
        expected = ("--expect-workers", str(workers))
        return self._start("master", *place, *expected, *HEADLESS, *given, *results, *arguments)

    def worker(self, name: str, *arguments: str | Path, scenario: str = "") -> LocustRun:
        place = ("--worker", "--master-host", "127.0.0.1", "--master-port", self._port)
        return self._start(
            name, *place, *options(self._folder / name, self._target, scenario or self._scenario), *arguments
        )

    def _start(self, name: str, *arguments: str | Path) -> LocustRun:
        return self._stack.enter_context(LocustRun(self._folder / name, HTTPS, *arguments))


def test_two_processes_on_this_machine(tmp_path: Path, site: Path) -> None:
    with serving(tmp_path / "server", site) as (target, access_log):
        found = run(tmp_path, HTTPS, target, "--processes", "2", *TURNS, users=USERS)
    assert found.status == 0, found.log
    assert found.results["processes"] == 2
    assert found.results["requests"] == answered(access_log).total() >= USERS * 10
    assert found.results["trouble"] == []


def test_a_master_and_two_workers(tmp_path: Path, site: Path) -> None:
    """The figures of both, a percentile for all, and a threshold that the master judges."""
    with serving(tmp_path / "server", site) as (target, access_log), ExitStack() as stack:
        machines = Machines(stack, tmp_path, target, UNHURRIED)
        thresholds = tmp_path / "thresholds.toml"
        thresholds.write_text("least_requests = 100000\n")
        master = machines.master(2, "--thresholds", thresholds, "--turns", "10")
        # Each process has options of its own: the workers need to know how often, too.
        workers = [machines.worker(name, *TURNS) for name in ("a", "b")]
        found = ended(tmp_path / "master", master)
        assert [worker.end() for worker in workers] == [0, 0]
    assert found.status == 1
    requests = found.results["requests"]
    assert f"not good enough: {requests} requests were made, fewer than 100000" in found.log
    assert found.results["processes"] == 2
    assert requests == answered(access_log).total() >= USERS * 10
    assert found.results["by_name"]["page"]["p99_ms"] > 0
    assert found.results["trouble"] == []


def test_a_worker_with_another_scenario_is_noticed(tmp_path: Path, site: Path) -> None:
    with serving(tmp_path / "server", site) as (target, _), ExitStack() as stack:
        machines = Machines(stack, tmp_path, target)
        master = machines.master(2, *TURNS)
        machines.worker("a", *TURNS)
        machines.worker("b", *TURNS, scenario=f"seed = 2\n{SCENARIO}")
        found = ended(tmp_path / "master", master)
    assert found.status == 1
    (trouble,) = found.results["trouble"]
    assert trouble.endswith("has another scenario or manifest than the master")
    assert f"not good enough: {trouble}" in found.log


def test_a_worker_that_is_lost_is_noticed(tmp_path: Path, site: Path) -> None:
    """Killed while its users wait for each other's last turns, with figures that nobody has seen."""
    with serving(tmp_path / "server", site) as (target, _), ExitStack() as stack:
        machines = Machines(stack, tmp_path, target)
        master = machines.master(2)
        machines.worker("a")
        lost = machines.worker("b")
        master.wait_until_spawned()
        lost.process.kill()
        master.wait_for_log("failed to send heartbeat")
        master.process.terminate()
        found = ended(tmp_path / "master", master)
    assert found.status == 1
    (trouble,) = found.results["trouble"]
    assert trouble.endswith("is lost, and its last figures with it")
    assert found.results["requests"] > 0
    assert found.results["failures"] == 0


def test_by_the_web_interface(tmp_path: Path, site: Path) -> None:
    """Two swarms, started as a browser does; each has results of its own."""
    port = free_port()
    web = WebInterface(port)
    results = tmp_path / "results.json"
    place = ("--web-host", "127.0.0.1", "--web-port", str(port), "--results", results)
    with serving(tmp_path / "server", site) as (target, access_log), ExitStack() as stack:
        given = options(tmp_path, target, SCENARIO)
        locust = stack.enter_context(LocustRun(tmp_path, HTTPS, *place, *given, *TURNS))
        web.wait_until_ready()
        found = []
        for users in (2, 3):
            results.unlink(missing_ok=True)
            form = {"user_count": users, "spawn_rate": 100, "host": target.url}
            assert web.ask("/swarm", form)["success"]
            # When all users have had their turns.
            wait_until(results.exists, "the results")
            told = json.loads(results.read_text())
            found.append(told["requests"])
            rows = {name: row["requests"] for name, row in {**told["by_name"], **told["handshakes"]}.items()}
            rows["Aggregated"] = sum(rows.values())
            wait_until(partial(shows, web, rows), "the same figures in the web interface")
        # A host that isn't one ends the run: its only user has nothing to do.
        results.unlink()
        assert web.ask("/swarm", {"user_count": 1, "spawn_rate": 1, "host": "http://127.0.0.1:1"})["success"]
        wait_until(results.exists, "the results")
        assert "the host must be a URL such as https://127.0.0.1:8443, not http://127.0.0.1:1" in locust.log()
        assert "Traceback" not in locust.log()
        locust.process.send_signal(signal.SIGTERM)
        # That run was not good enough.
        assert locust.end() == 1, locust.log()
    assert sum(found) == answered(access_log).total()
    assert found[1] > found[0] >= 20


def shows(web: WebInterface, requests: dict[str, int]) -> bool:
    return {name: counts[0] for name, counts in web.rows().items()} == requests


def test_an_interrupt_loses_nothing(tmp_path: Path, site: Path) -> None:
    """Ctrl-C goes to all processes of a terminal at once."""
    results = tmp_path / "results.json"
    with serving(tmp_path / "server", site) as (target, access_log), ExitStack() as stack:
        given = (*HEADLESS, *options(tmp_path, target, SCENARIO), "--results", results, "--processes", "2")
        locust = stack.enter_context(LocustRun(tmp_path, HTTPS, *given))
        locust.wait_until_spawned()
        assert len(children(locust.process.pid)) == 2
        os.killpg(locust.process.pid, signal.SIGINT)
        found = ended(tmp_path, locust)
    assert found.results["trouble"] == [], found.log
    assert found.status == 0, found.log
    # What is under way at the end may be answered, and nobody waits for it.
    assert 0 <= answered(access_log).total() - found.results["requests"] <= USERS * 4
