"""What the figures were measured on, and whether this machine's kernel can encrypt."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from ktlsserve.kernel.probe import probe_kernel_tls
from loadtests.bench.processors import Processors


def describe(processors: Processors) -> dict[str, str]:
    """Return the facts that a reader needs to compare reports."""
    client = ",".join(map(str, processors.client))
    more = {"caution": processors.caution} if processors.caution else {}
    if processors.priority:
        more["priority"] = "real time: servers and clients ran before everything else"
    return {
        "processor": _processor(),
        "kernel": platform.release(),
        "server on CPU": str(processors.server),
        "client on CPU": client,
        "load average": "{:.2f} {:.2f} {:.2f}".format(*os.getloadavg()),
    } | more


def no_kernel_tls() -> str:
    """Say why this kernel can't encrypt and what to do, or "" where it can."""
    kernel = probe_kernel_tls()
    if kernel.available:
        return ""
    return f"{kernel.reason}; {kernel.cure}; or measure with --kernel guest"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
