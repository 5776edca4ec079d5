"""What ``ktlsserve serve`` does."""

from __future__ import annotations

from ktlsserve.config import Config
from ktlsserve.observe.logs import configure_logs
from ktlsserve.supervisor.supervisor import Supervisor


def serve(config: Config) -> int:
    """Serve as ``config`` says until a signal ends it; return the exit status.

    Raises StartupError and its kinds where the server can't start.
    """
    configure_logs(config.log.level, config.log.format)
    return Supervisor(config).run()
