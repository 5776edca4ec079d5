"""From ``server.user``, ``server.group`` and ``server.confine`` to what the workers will give up."""

from __future__ import annotations

import logging
import os

from ktlsserve.accounts import look_up
from ktlsserve.config import Server
from ktlsserve.errors import StartupError
from ktlsserve.kernel.landlock import confined_by, landlock_abi
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.mounts import MOUNTINFO
from ktlsserve.kernel.privileges import CAP_SETGID, CAP_SETUID
from ktlsserve.worker.confinement import Confinement
from ktlsserve.worker.identity import Identity

logger = logging.getLogger(__name__)

# A worker asks there which file systems keep all their files in memory.
_READABLE = (str(MOUNTINFO),)


def assemble_confinement(server: Server) -> Confinement:
    """Find out what the workers can give up; raise StartupError where that is less than the configuration demands."""
    identity = look_up(server.user, server.group) if server.user else None
    if identity is None and os.geteuid() == 0:
        logger.warning(
            "the workers run as root: set server.user (--user www-data), and they become that user once all is bound"
        )
    if identity is not None and not identity.is_ours:
        _require_the_right_to_change(identity)
    if server.confine == "off":
        logger.warning("the workers don't confine themselves, as the configuration says (server.confine = off)")
        return Confinement("off", identity)
    abi = landlock_abi()
    if not abi:
        lack = "this kernel has no landlock (Linux before 5.13, not in the boot parameter lsm=, or filtered)"
        if server.confine == "required":
            raise StartupError(f"server.confine = required, but {lack}; run 'ktlsserve doctor', or use auto")
        logger.warning("the workers can open whatever their user may read: %s", lack)
    elif "signals" not in confined_by(abi):
        logger.info("landlock ABI %d confines the workers' %s only", abi, " and ".join(confined_by(abi)))
    return Confinement(server.confine, identity, abi, _READABLE)


def _require_the_right_to_change(identity: Identity) -> None:
    machine = Machine()
    if not (machine.has_capability(CAP_SETUID) and machine.has_capability(CAP_SETGID)):
        raise StartupError(
            f"server.user: user {os.geteuid()} may not become {identity.name}; start the server as root (with "
            "CAP_SETUID and CAP_SETGID), or leave server.user empty"
        )
