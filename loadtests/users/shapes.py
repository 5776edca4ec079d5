"""How many users there are at a time, for each shape of a scenario's [load]."""

from __future__ import annotations

from loadtests.users.scenario import Load

# Locust starts a shape's stage only when the one before has all its users, and looks once a second: in steps of a
# second a ramp is never behind.
_STEP_S = 1.0


def users_at(shape: str, load: Load, elapsed_s: float) -> tuple[int, float] | None:
    """Return how many users there are to be and how many may come or go in a second; None where the run is over.

    ``shape`` is one of those of the scenario but ``options``.
    """
    stages = {"ramp": _ramp, "hold": _hold, "spike": _spike}
    return stages[shape](load, elapsed_s)


def _ramp(load: Load, elapsed_s: float) -> tuple[int, float] | None:
    if elapsed_s >= load.ramp_s + load.hold_s:
        return None
    rate = load.users / load.ramp_s
    users = min(load.users, max(1, round(rate * (elapsed_s + _STEP_S))))
    return users, max(1.0, rate)


def _hold(load: Load, elapsed_s: float) -> tuple[int, float] | None:
    return (load.users, load.users) if elapsed_s < load.hold_s else None


def _spike(load: Load, elapsed_s: float) -> tuple[int, float] | None:
    rate = max(load.users, load.spike_users)
    if load.hold_s <= elapsed_s < load.hold_s + load.spike_s:
        return load.spike_users, rate
    return (load.users, rate) if elapsed_s < load.hold_s + load.spike_s + load.hold_s else None
