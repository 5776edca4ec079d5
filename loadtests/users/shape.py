"""The shape of a scenario as Locust knows it."""

from __future__ import annotations

from locust import LoadTestShape

from loadtests.users.scenario import Load
from loadtests.users.shapes import users_at


class ScenarioShape(LoadTestShape):
    """Asked by Locust once a second how many users there are to be; ``run_time_s`` 0 is no further limit."""

    def __init__(self, shape: str, load: Load, run_time_s: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Locust has no annotations here
        self._shape = shape
        self._load = load
        self._run_time_s = run_time_s

    def tick(self) -> tuple[int, float] | None:
        """Return how many users there are to be, and how many may come or go in a second; None at the end."""
        elapsed_s: float = self.get_run_time()  # type: ignore[no-untyped-call]  # nor here
        if self._run_time_s and elapsed_s >= self._run_time_s:
            return None
        return users_at(self._shape, self._load, elapsed_s)
