"""Which cases are measured."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from loadtests.bench.cases import Case, Handshakes, IdleConnections, Syscalls, Throughput
from loadtests.bench.errors import SetupError
from loadtests.bench.workloads import Mode, Workload, every_workload, quick_workloads, usual_workloads

# nginx has memory for a few hundred from the start: fewer would seem to cost it nothing.
_IDLE = 500


def choose_cases(parts: Sequence[str], *, quick: bool, every: bool) -> list[Case]:
    """Return the cases whose names hold any of ``parts``; without parts the quick, the usual, or all of them.

    With ``parts`` and without ``quick``, all combinations are looked at. Raises SetupError where nothing is left.
    """
    usual = quick_workloads if quick else usual_workloads
    workloads = every_workload() if every or (parts and not quick) else usual()
    cases: list[Case] = [Throughput(workload) for workload in workloads]
    for mode in Mode:
        cases += [Syscalls(Workload(mode, size)) for size in ("1KiB", "10KiB", "1MiB") if not quick or size == "10KiB"]
        cases.append(IdleConnections(mode, _IDLE))
        if mode is not Mode.PLAIN:
            cases.append(Handshakes(mode))
    chosen = [case for case in cases if not parts or any(_holds(case.name, part) for part in parts)]
    if not chosen:
        raise SetupError(f"no case has {' or '.join(parts)} in its name; --list shows them")
    return chosen


def _holds(name: str, part: str) -> bool:
    return fnmatchcase(name, f"*{part}*")
