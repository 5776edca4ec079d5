"""Results of loadtests.syscalls as they would be if everything took exactly what one says."""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.syscalls.claims import BATCHES
from loadtests.syscalls.measuring import Measured, Run
from loadtests.syscalls.results import PAYLOAD_BYTES, Results
from loadtests.syscalls.subjects import Case, Method


def measured(case: Case, calls_ns: Sequence[float], receiver_ns: float = 0.0) -> Measured:
    """Return a case with a run for each of ``calls_ns``."""
    runs = {number: Run(call_ns, 10.0, receiver_ns) for number, call_ns in enumerate(calls_ns)}
    return Measured(case, 100, runs)


def exact_results(*, absent: Sequence[str] = ()) -> Results:
    """Return results of a machine on which a call costs 300 ns, sending a packet 900, and so on."""
    cases = [
        measured(Case(Method.CALL, 0), [300.0, 290.0, 330.0]),
        measured(Case(Method.COPY_CACHE, 1500, 40), [40 * 100.0]),
        measured(Case(Method.COPY_MEMORY, 1500, 40), [40 * 200.0]),
        measured(Case(Method.SENDTO, PAYLOAD_BYTES), [1200.0]),
    ]
    for batch in BATCHES:
        cases.append(measured(Case(Method.SENDMMSG, PAYLOAD_BYTES, batch), [300.0 + 900.0 * batch]))
        # From 64 on two large datagrams: no longer on the line.
        cases.append(measured(Case(Method.GSO, PAYLOAD_BYTES, batch), [1000.0 * (1 + batch // 64) + 50.0 * batch]))
    cases += [
        measured(Case(Method.SENDFILE, 1500 * packets), [500.0 + 60.0 * packets], 40.0 * packets)
        for packets in (2, 20, 200)
    ]
    return Results("python -m loadtests.syscalls", {"processor": "exact"}, absent, cases)
