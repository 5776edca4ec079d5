"""The files in config/ for a host, read as its own tools read them (sysctl.d(5), modules-load.d(5))."""

from __future__ import annotations

from tests.support.server import CHECKOUT

SYSCTL = CHECKOUT / "config" / "sysctl.conf"
MODULES_LOAD = CHECKOUT / "config" / "modules-load.conf"


def sysctls() -> dict[str, str]:
    """Return the kernel settings: values by key."""
    lines = SYSCTL.read_text(encoding="utf-8").splitlines()
    settings = [line.split(" = ") for line in lines if line and not line.startswith("#")]
    assert len({key for key, _ in settings}) == len(settings)
    return dict(settings)


def modules_to_load() -> list[str]:
    """Return the names of the modules."""
    lines = MODULES_LOAD.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
