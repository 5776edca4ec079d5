"""What the client asks for: small files, where a request costs, and large ones, where bytes do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.peers import CHECKOUT

_FOLDER = CHECKOUT / "loadtests" / "compare" / "scenarios"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario of the client with the metric that it is about, and how many users it is asked for with."""

    name: str
    primary: str
    users: int

    @property
    def file(self) -> Path:
        """What locust reads."""
        return _FOLDER / f"{self.name}.toml"


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        # Few users: a server in Python would be done with none of twenty large files in a short run.
        Scenario("large", "cpu_s_per_gb", users=4),
        Scenario("small", "cpu_s_per_1000_requests", users=20),
    )
}
