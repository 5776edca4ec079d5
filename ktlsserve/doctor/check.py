"""One line of the doctor's report, and the guard that keeps a failing check from taking the others along."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.modules import ModuleState
from ktlsserve.kernel.probe import KernelTls


class Status(Enum):
    """What a check found; the value is the word in both reports."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``id`` is stable and names it for programs, ``name`` for people.

    ``reason`` says why it isn't ``ok`` and ``cure`` what to do about it; both are empty where there is nothing to say.
    """

    id: str
    group: str
    name: str
    status: Status
    detail: str
    reason: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read before the checks run: the probe changes some of it (it may load the module, and it is counted)."""

    machine: Machine
    kernel: KernelTls
    module_before: ModuleState | None
    tls_stat_before: dict[str, int] | None


# A check of one or more findings.
CheckFunction = Callable[[Facts], Iterable[Check]]


@dataclass(frozen=True, slots=True)
class Examination:
    """A check function with what is said in its place when it fails."""

    id: str
    group: str
    name: str
    function: CheckFunction

    def run(self, facts: Facts) -> list[Check]:
        """Return the findings; a failure becomes one of status ``unknown``."""
        try:
            return list(self.function(facts))
        except Exception as error:  # noqa: BLE001 - a report with a hole is better than none, and it shows the hole
            reason = f"{type(error).__name__}: {error}"
            return [Check(self.id, self.group, self.name, Status.UNKNOWN, "the check itself failed", reason)]
