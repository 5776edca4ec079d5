"""The load tests as a user runs them: Locust as a process, its messages, its results, its exit status.

Importing Locust patches the interpreter, so pytest's own process never does.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from tests.support.server import CHECKOUT
from tests.support.waiting import LIMIT_S, wait_until

HTTPS, HTTP3 = "HttpsUser", "Http3User"

SITE = """\
[[file]]
path = "/pages/{n}.html"
count = 8
bytes = [100, 20_000]

[[file]]
path = "/videos/{n}.mp4"
count = 2
bytes = 300_001
"""

# All that there is in a scenario.
SCENARIO = f"""\
{SITE}
[[request]]
name = "page"
paths = "/pages/*"
weight = 3

[[request]]
name = "assets"
paths = "/pages/*"
parallel = 4

[[request]]
name = "again"
paths = "/pages/*"
conditional = true
weight = 3

[[request]]
name = "video"
paths = "/videos/*"
pieces = 4

[users]
sha256_share = 1
cold_share = 0.2
pause_after_error_s = 0.01
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A server to ask, and the certificate to trust."""

    url: str
    ca: Path


class LocustRun:
    """A process of Locust. Leaving the block kills it if it hasn't ended, with the processes that it has started."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / "log"
        command = [sys.executable, "-m", "locust", "-f", str(CHECKOUT / "loadtests" / "locustfile.py")]
        with self._log.open("wb") as log:
            # A session of its own: its workers end with it.
            self.process = subprocess.Popen(
                [*command, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait()

    def log(self) -> str:
        """Return all that it has said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_for_log(self, *parts: str) -> None:
        """Wait until it has said one of ``parts``."""

        def said() -> bool:
            assert self.process.poll() is None, "Locust has ended"
            return any(part in self.log() for part in parts)

        try:
            wait_until(said, f"{parts} in Locust's log")
        except AssertionError as error:
            raise AssertionError(f"{error}; Locust said:\n{self.log()}") from None

    def wait_until_spawned(self) -> None:
        """Wait until all users are there; a busy machine's Locust says so in other words."""
        self.wait_for_log("All users spawned", "Spawning is complete")

    def end(self) -> int:
        """Wait for its end; return the exit status."""
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"Locust did not end; it said:\n{self.log()}") from None


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended."""

    status: int
    log: str
    results: dict[str, Any] = field(default_factory=dict)

    def errors(self) -> list[str]:
        """Return the messages of its failures."""
        return [error["error"] for error in self.results["errors"]]

    def counts(self) -> dict[str, int]:
        """Return how many requests each row has."""
        return {name: row["requests"] for name, row in self.results["by_name"].items()}


class WebInterface:
    """Locust's web interface, asked as a browser asks it."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str, form: Mapping[str, object] | None = None) -> Any:
        """GET a path, or POST a form to it; return what the JSON says, None where nobody answers yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LIMIT_S)
        try:
            if form is None:
                connection.request("GET", path)
            else:
                headers = {"Content-Type": "application/x-www-form-urlencoded"}
                connection.request("POST", path, urlencode(form), headers)
            response = connection.getresponse()
            body = response.read()
        except ConnectionRefusedError:
            return None
        finally:
            connection.close()
        assert response.status == 200, body
        return json.loads(body)

    def wait_until_ready(self) -> None:
        """Wait until it answers."""
        wait_until(lambda: self.ask("/stats/requests"), "Locust's web interface")

    def rows(self) -> dict[str, tuple[int, int]]:
        """Return how many requests and failures each row has; Locust works that out anew every two seconds."""
        told = self.ask("/stats/requests")
        return {row["name"]: (row["num_requests"], row["num_failures"]) for row in told["stats"]}

    def wait_for_row(self, name: str, condition: Callable[[int, int], bool], what: str) -> tuple[int, int]:
        """Wait until the counts of a row fulfil a condition."""

        def looked() -> tuple[int, int] | None:
            counts = self.rows().get(name, (0, 0))
            return counts if condition(*counts) else None

        return wait_until(looked, what)


def options(folder: Path, target: Target, scenario: str) -> list[str | Path]:
    """Return the options that every process of a run needs."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "scenario.toml"
    file.write_text(scenario, encoding="utf-8")
    return ["--host", target.url, "--ca", target.ca, "--scenario", file]


def run(
    folder: Path,
    user: str,
    target: Target,
    *arguments: str | Path,
    scenario: str = SCENARIO,
    users: int = 3,
) -> Ended:
    """Run Locust without its web interface, to its end."""
    everything = [user, *options(folder, target, scenario), "--results", folder / "results.json", *arguments]
    with LocustRun(folder, "--headless", "--users", str(users), "--spawn-rate", "100", *everything) as locust:
        return ended(folder, locust)


def ended(folder: Path, locust: LocustRun) -> Ended:
    """Wait for the end of a run, and read its results where it has left some."""
    status = locust.end()
    file = folder / "results.json"
    return Ended(status, locust.log(), json.loads(file.read_text()) if file.exists() else {})


def make_site(folder: Path, scenario: str = SCENARIO) -> Path:
    """Make the files of a scenario as users are told to; return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.toml").write_text(scenario, encoding="utf-8")
    root = folder / "site"
    command = [sys.executable, "-m", "loadtests.tree", str(root), "--scenario", str(folder / "site.toml")]
    subprocess.run(command, check=True, cwd=CHECKOUT, stdout=subprocess.DEVNULL)
    return root


def answered(access_log: Path) -> Counter[int]:
    """Count the answers in an access log in combined format by their status."""
    return Counter(int(status) for status in re.findall(r'" (\d{3}) ', access_log.read_text(encoding="utf-8")))
