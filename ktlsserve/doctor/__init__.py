"""``ktlsserve doctor``: what this machine can do, and for each 'no' the reason and the cure.

The order of things matters: what the probe itself changes (it may load the ``tls`` module, it raises counters and makes
the kernel list its AES driver) is read before or after it on purpose. Every check runs guarded: one that fails shows up
as ``unknown`` with its error, and the others are made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO, TypeVar

from ktlsserve.doctor.check import Check, Facts, Status
from ktlsserve.doctor.confinement_checks import CONFINEMENT_EXAMINATIONS
from ktlsserve.doctor.kernel_checks import KERNEL_EXAMINATIONS
from ktlsserve.doctor.machine_checks import MACHINE_EXAMINATIONS
from ktlsserve.doctor.report import Report, wants_colour, write_json, write_text
from ktlsserve.doctor.software_checks import SOFTWARE_EXAMINATIONS
from ktlsserve.errors import EXIT_OK
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.modules import module_state
from ktlsserve.kernel.probe import probe_kernel_tls
from ktlsserve.kernel.tls_stat import read_tls_stat

__all__ = ["Check", "Report", "Status", "examine", "run_doctor"]

_Fact = TypeVar("_Fact")
_EXAMINATIONS = (
    *KERNEL_EXAMINATIONS,
    *MACHINE_EXAMINATIONS,
    *CONFINEMENT_EXAMINATIONS,
    *SOFTWARE_EXAMINATIONS,
)


def run_doctor(*, as_json: bool, out: TextIO, machine: Machine | None = None) -> int:
    """Examine the machine, write the report to ``out``, and return the exit status.

    The status is 0 whenever a report was made, whatever it says: what is missing here is a finding, not a failure. A
    script asks ``--json`` for ``kernel.available``.
    """
    machine = Machine() if machine is None else machine
    report = examine(machine)
    if as_json:
        write_json(report, out)
    else:
        write_text(report, out, colour=wants_colour(out, machine.environ))
    out.flush()
    return EXIT_OK


def examine(machine: Machine) -> Report:
    """Make all checks; no check that fails keeps the others from being made."""
    module_before = _attempt(lambda: module_state(machine, "tls", "CONFIG_TLS"))
    tls_stat_before = _attempt(lambda: read_tls_stat(machine))
    facts = Facts(machine, probe_kernel_tls(machine), module_before, tls_stat_before)
    return Report(facts.kernel, tuple(check for examination in _EXAMINATIONS for check in examination.run(facts)))


def _attempt(read: Callable[[], _Fact]) -> _Fact | None:
    try:
        return read()
    except Exception:  # noqa: BLE001 - the check that reads it again reports the error
        return None
