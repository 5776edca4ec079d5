"""What workers can give up on this machine, as a child that does it finds out (``confinement_trial``)."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator

from ktlsserve.doctor.check import Check, Examination, Facts, Status
from ktlsserve.doctor.confinement_trial import try_confinement
from ktlsserve.doctor.machine_checks import LIMITS
from ktlsserve.kernel.landlock import confined_by, landlock_abi
from ktlsserve.kernel.privileges import CAP_DAC_READ_SEARCH

ROOT_KEEPS = "CAP_DAC_READ_SEARCH alone"


def _landlock(_facts: Facts) -> Iterator[Check]:
    abi = landlock_abi()
    if not abi:
        reason = (
            "Linux before 5.13, not among the boot parameter lsm=, or filtered: workers can open what their user may"
        )
        cure = "use a kernel with CONFIG_SECURITY_LANDLOCK, and landlock in lsm= on its command line"
        yield Check("limits.landlock", LIMITS, "landlock", Status.NO, "not available", reason, cure)
        return
    trial = try_confinement()
    promised = confined_by(abi)
    broken = [what for what in promised if what not in trial.refused]
    detail = f"ABI {abi} confines workers: {', '.join(what for what in promised if what not in broken)}"
    if broken:
        reason = "; ".join((f"a confined process could still do this: {', '.join(broken)}", *trial.warnings))
        yield Check("limits.landlock", LIMITS, "landlock", Status.WARN, detail, reason)
    elif "signals" not in promised:
        reason = "Linux confines TCP from 6.7 on and signals from 6.12 on"
        yield Check("limits.landlock", LIMITS, "landlock", Status.INFO, detail, reason, "use Linux 6.12 or later")
    else:
        yield Check("limits.landlock", LIMITS, "landlock", Status.OK, detail)


def _privileges(_facts: Facts) -> Iterator[Check]:
    trial = try_confinement()
    kept = [] if trial.new_privileges else ["no new privileges"]
    kept += [] if trial.dumpable else ["not dumpable"]
    roots = trial.capabilities == 1 << CAP_DAC_READ_SEARCH
    kept += ["no capabilities"] if not trial.capabilities else [ROOT_KEEPS] if roots else []
    detail = f"workers: {', '.join(kept)}"
    if len(kept) == len(("new privileges", "dumps", "capabilities")):
        yield Check("limits.privileges", LIMITS, "privileges", Status.OK, detail)
        return
    reason = "; ".join(trial.warnings) or f"a process can't give up more here (capabilities {trial.capabilities:#x})"
    yield Check("limits.privileges", LIMITS, "privileges", Status.WARN, detail, reason)


def _user(_facts: Facts) -> Iterator[Check]:
    uid = os.geteuid()
    try:
        name = f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        name = str(uid)
    if uid:
        yield Check("limits.user", LIMITS, "user", Status.OK, f"workers run as {name}")
        return
    reason = "a server that root starts has root's workers, unless it is told another user"
    cure = "set server.user (--user www-data)"
    yield Check("limits.user", LIMITS, "user", Status.INFO, f"workers run as {name}", reason, cure)


CONFINEMENT_EXAMINATIONS = (
    Examination("limits.landlock", LIMITS, "landlock", _landlock),
    Examination("limits.privileges", LIMITS, "privileges", _privileges),
    Examination("limits.user", LIMITS, "user", _user),
)
