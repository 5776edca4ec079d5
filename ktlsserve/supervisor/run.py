"""What ``ktlsserve serve`` does."""

from __future__ import annotations

import os
import resource

from ktlsserve.config import Config
from ktlsserve.kernel.privileges import forbid_looking_in
from ktlsserve.observe.logs import configure_logs
from ktlsserve.supervisor.inherited import take_inherited
from ktlsserve.supervisor.supervisor import Supervisor


def serve(config: Config) -> int:
    """Serve as ``config`` says until a signal ends it; return the exit status.

    Raises StartupError and its kinds where the server can't start.
    """
    raise_descriptor_limit()
    if config.server.confine != "off":
        # The supervisor has the keys too.
        forbid_looking_in()
    configure_logs(config.log.level, config.log.format)
    return Supervisor(config, take_inherited(os.environ)).run()


def raise_descriptor_limit() -> None:
    """Raise the soft limit of open files to the hard one: the soft one is for programs that use select(2)."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
