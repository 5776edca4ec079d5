"""What the figures were measured on, for readers who compare reports."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path

import psutil
import pycurl

from loadtests.bench import machine
from loadtests.bench.processors import Processors


def describe(processors: Processors) -> dict[str, str]:
    """Return facts by name."""
    return {
        **machine.describe(processors),
        **caution(os.getloadavg()[0], os.cpu_count() or 1),
        "processors": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / (1 << 30):.1f} GiB",
        "system": distribution(Path("/etc/os-release").read_text(encoding="utf-8")),
        "Python": platform.python_version(),
    }


def client() -> dict[str, str]:
    """Return which client it was."""
    return {"client": f"locust {importlib.metadata.version('locust')}, {pycurl.version}"}


def caution(load: float, processors: int) -> dict[str, str]:
    """Return what a busy machine makes of the figures, nothing where it had time."""
    if load < processors / 2:
        return {}
    said = f"{processors} processors had other work (load average {load:.1f}): ratios below 2 may be noise"
    return {"busy machine": said}


def distribution(os_release: str) -> str:
    """Return the name of a distribution as its os-release says it."""
    names = [line.partition("=")[2].strip('"') for line in os_release.splitlines() if line.startswith("PRETTY_NAME=")]
    return names[0] if names else "unknown"
