"""The client: locust as a process of its own, and what it says afterwards.

It checks status, length and hash of every answer. That every one came by the protocol which is measured is looked at
here once more: a server that isn't asked by the right protocol isn't measured at all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.baselines import Protocol
from loadtests.bench.errors import RunFailed
from loadtests.bench.peers import CHECKOUT, python_path
from loadtests.bench.processors import Processors

# Starting locust takes seconds on a busy machine; requests that are under way at the end are waited for.
_PATIENCE_S = 90.0
_FINISH_S = 20
_SHOWN_ERRORS = 3
_SHOWN_LINES = 5
_CLASSES = {Protocol.HTTP_1_1: "HttpsUser", Protocol.HTTP_3: "Http3User"}
_SPOKEN = {Protocol.HTTP_1_1: "HTTP/1.1", Protocol.HTTP_3: "HTTP/3"}
_PERCENTILES = ("p50_ms", "p95_ms", "p99_ms")


@dataclass(frozen=True, slots=True)
class Order:
    """What the client is to do: the scenario, the files that it checks against, how many users for how long."""

    scenario: Path
    manifest: Path
    ca: Path
    users: int
    duration_s: int


@dataclass(frozen=True, slots=True)
class Load:
    """What the client did: ``percentiles_ms`` of all its requests, and in ``errors`` what failed and how often."""

    requests: int
    failures: int
    duration_s: float
    bytes: int
    percentiles_ms: Mapping[str, float]
    errors: Sequence[str]

    @property
    def problem(self) -> str:
        """Say what failed, "" where nothing did."""
        if not self.failures:
            return ""
        return f"{self.failures} of {self.requests} requests failed: {'; '.join(self.errors[:_SHOWN_ERRORS])}"


def drive(url: str, protocol: Protocol, order: Order, processors: Processors, folder: Path) -> Load:
    """Run the client; raises RunFailed where it leaves no result, or one that isn't about ``protocol``."""
    results = folder / "client.json"
    results.unlink(missing_ok=True)
    command = [sys.executable, "-m", "locust", "-f", str(CHECKOUT / "loadtests" / "locustfile.py")]
    command += [_CLASSES[protocol], "--headless", "--host", url, "--skip-log-setup", "--stop-timeout", str(_FINISH_S)]
    command += ["-u", str(order.users), "-r", str(order.users), "-t", f"{order.duration_s}s"]
    command += ["--scenario", str(order.scenario), "--manifest", str(order.manifest), "--ca", str(order.ca)]
    command += ["--results", str(results)]
    try:
        ended = subprocess.run(
            processors.for_client(command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=order.duration_s + _PATIENCE_S,
            check=False,
            cwd=CHECKOUT,
            env={**os.environ, **python_path()},
        )
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"the client did not end within {order.duration_s + _PATIENCE_S:g} s") from error
    if not results.exists():
        last = " | ".join((ended.stdout + ended.stderr).splitlines()[-_SHOWN_LINES:])
        raise RunFailed(f"the client ended with status {ended.returncode} and without results: {last}")
    return parse_load(results.read_text(encoding="utf-8"), protocol)


def parse_load(text: str, protocol: Protocol) -> Load:
    """Read the client's results; raises RunFailed where there was no answer, or one by another protocol."""
    found = json.loads(text)
    if found["trouble"]:
        raise RunFailed(f"the client's figures are worth nothing: {'; '.join(found['trouble'])}")
    if not found["requests"]:
        raise RunFailed("no request was made")
    # A scenario here asks for one thing: its times are those of all requests.
    (row,) = found["by_name"].values()
    load = Load(
        found["requests"],
        found["failures"],
        found["duration_s"],
        found["bytes"],
        {name: row[name] for name in _PERCENTILES},
        [f"{error['error']} ({error['occurrences']} times)" for error in found["errors"]],
    )
    answered: dict[str, int] = found["protocols"]
    others = {name: count for name, count in answered.items() if name != _SPOKEN[protocol]}
    if others:
        raise RunFailed(f"{others} answers did not come by {_SPOKEN[protocol]}")
    spoken = answered.get(_SPOKEN[protocol], 0)
    if spoken < load.requests - load.failures:
        raise RunFailed(f"{load.requests - load.failures} requests succeeded, {spoken} by {_SPOKEN[protocol]}")
    return load
