"""What the figures were measured on; beside what the benchmark tells, all that moves the price of a system call."""

from __future__ import annotations

import gzip
import platform
from pathlib import Path

from loadtests.bench import machine
from loadtests.bench.processors import Processors

_WEAKNESSES = Path("/sys/devices/system/cpu/vulnerabilities")
_SETTING = "CONFIG_IRQ_TIME_ACCOUNTING=y"


def describe(processors: Processors, network: str) -> dict[str, str]:
    """Return the facts that a reader needs to compare reports."""
    facts = machine.describe(processors)
    del facts["client on CPU"]
    facts["sender and receiver on CPU"] = facts.pop("server on CPU")
    return {
        **facts,
        "network": network,
        "Python": platform.python_version(),
        "mitigations": "; ".join(_mitigations()) or "none told",
        "delivery on loopback": accounting(_kernel_configuration()),
    }


def _mitigations() -> list[str]:
    """Return what the kernel does at each entry, or for it, against weaknesses of the processor."""
    try:
        told = {file.name: file.read_text(encoding="ascii").strip() for file in sorted(_WEAKNESSES.iterdir())}
    except OSError:
        return []
    return [f"{name}: {text.removeprefix('Mitigation: ')}" for name, text in told.items() if "Mitigation" in text]


def accounting(configuration: str) -> str:
    """Say whether the time in which loopback delivers (a softirq) is counted as the sender's."""
    if not configuration:
        return f"counted as the sender's unless the kernel has {_SETTING}; its configuration can't be read"
    if _SETTING in configuration.splitlines():
        return f"not counted as the sender's ({_SETTING})"
    return "counted as the sender's"


def _kernel_configuration() -> str:
    try:
        return gzip.decompress(Path("/proc/config.gz").read_bytes()).decode("ascii")
    except OSError:
        pass
    try:
        return Path(f"/boot/config-{platform.release()}").read_text(encoding="ascii")
    except OSError:
        return ""
