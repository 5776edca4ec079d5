"""Packages that bring a service are installed for their program alone: it isn't started, now or at the next boot."""

import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
"""What invoke-rc.d and deb-systemd-invoke ask before they start anything; most machines have none."""

_REFUSAL = """#!/bin/sh
# Made by ktlsserve's make test while it installs packages; it may be removed.
exit 101
"""


@contextmanager
def no_service_starts(policy: Path = POLICY) -> Iterator[None]:
    """Have packages that are installed within the block start nothing; a policy of the machine's own stays."""
    if policy.exists() and policy.read_text(encoding="utf-8", errors="replace") != _REFUSAL:
        # Containers have one that refuses everything.
        yield
        return
    policy.write_text(_REFUSAL, encoding="utf-8")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


def disable(services: Iterable[str]) -> None:
    """Have ``services``, just installed, not started at the next boot either; units are written with their kind."""
    for service in services:
        command = ["systemctl", "disable", service] if "." in service else ["update-rc.d", service, "disable"]
        try:
            subprocess.run(command, capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            print(f"the service {service} was installed, and may be started at the next boot", flush=True)
