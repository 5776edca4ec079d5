"""The arithmetic of the claim: what a call costs beside what it carries, and how long a batch takes to fill.

"One system call for each packet costs 300 %, a batch of 32 costs 10 %" says that a call costs three times what handling
one packet does: 3 / 1 is 300 %, 3 / 32 is 9.4 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLAIMED_CALL = 3.0
BATCH = 32
PACKET_BITS = 1500 * 8
RATES_GBIT_S = (1, 10, 100)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Line:
    """What a call takes by itself, and what each packet in it adds."""

    call_ns: float
    packet_ns: float

    def overhead(self, batch: int) -> float:
        """Return what the call adds to its packets, as a part of what they cost."""
        return overhead(self.call_ns, self.packet_ns, batch)

    def batch_for(self, share: float) -> float:
        """Return the batch from which on the overhead is no more than ``share``."""
        return self.call_ns / (self.packet_ns * share)


def overhead(call_ns: float, packet_ns: float, batch: int) -> float:
    """Return what one call for ``batch`` packets adds to them, as a part of what they cost."""
    return call_ns / (batch * packet_ns)


def claimed_overhead(batch: int) -> float:
    """Return the same as the claim has it."""
    return overhead(CLAIMED_CALL, 1.0, batch)


def claimed_gain(batch: int) -> float:
    """Return how many times cheaper a packet becomes by such a batch, as the claim has it."""
    return (1 + claimed_overhead(1)) / (1 + claimed_overhead(batch))


def waiting_us(batch: int, rate_gbit_s: float) -> float:
    """Return the microseconds in which a batch of 1500-byte packets fills, or leaves, at this rate."""
    return batch * PACKET_BITS / (rate_gbit_s * 1e3)


def core_gbit_s(packet_ns: float, packet_bytes: int) -> float:
    """Return the rate at which one processor can do what takes so long for each packet."""
    return packet_bytes * 8 / packet_ns


def fit(calls_ns: Mapping[float, float]) -> Line:
    """Fit a line to the time of a call by the packets in it: least squares of relative errors.

    Absolute ones would let the largest batches decide alone. Raises ValueError with fewer than two batch sizes.
    """
    if len(calls_ns) < 2:
        raise ValueError("a line takes two batch sizes at least")
    weights = {batch: 1 / spent_ns**2 for batch, spent_ns in calls_ns.items()}
    total = sum(weights.values())
    batch_mean = sum(weight * batch for batch, weight in weights.items()) / total
    spent_mean = sum(weights[batch] * spent_ns for batch, spent_ns in calls_ns.items()) / total
    slope = sum(
        weights[batch] * (batch - batch_mean) * (spent_ns - spent_mean) for batch, spent_ns in calls_ns.items()
    ) / sum(weight * (batch - batch_mean) ** 2 for batch, weight in weights.items())
    return Line(spent_mean - slope * batch_mean, slope)
