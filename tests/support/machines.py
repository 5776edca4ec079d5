"""Folders that look like a machine, for the code that reads /proc, /sys and /lib/modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ktlsserve.kernel.machine import Machine

# Saved from Debian's kernels in a guest right after a probe; crypto-without-aesni_intel with that module taken out.
SAVED_PROC = Path(__file__).parents[1] / "corpus/proc"
SAVED_KERNELS = ("linux-6.12", "linux-7.2")

DEBIAN_13 = "6.12.107+deb13-amd64"
DEBIAN_13_BANNER = (
    "Linux version 6.12.107+deb13-amd64 (debian-kernel@lists.debian.org) (x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19)"
    " 14.2.0, GNU ld (GNU Binutils for Debian) 2.44) #1 SMP PREEMPT_DYNAMIC Debian 6.12.107-1 (2026-09-20)\n"
)
ALL_CAPABILITIES = "000001ffffffffff"
NO_CAPABILITIES = "0000000000000000"
FIRST_USER_NAMESPACE = "user:[4026531837]"
FIRST_PID_NAMESPACE = "pid:[4026531836]"
OTHER_USER_NAMESPACE = "user:[4026532219]"
OTHER_PID_NAMESPACE = "pid:[4026532441]"


def saved_proc(kernel: str, name: str) -> str:
    """Return a file of /proc as it was on one of SAVED_KERNELS."""
    return (SAVED_PROC / kernel / name).read_text(encoding="ascii")


def process_status(capabilities: str = ALL_CAPABILITIES, seccomp: int = 0) -> str:
    """Return a /proc/self/status cut down to what is read of it and its surroundings."""
    return (
        f"Name:\tpython3\nState:\tR (running)\nCapInh:\t{NO_CAPABILITIES}\nCapPrm:\t{capabilities}\n"
        f"CapEff:\t{capabilities}\nCapBnd:\t{capabilities}\nNoNewPrivs:\t0\nSeccomp:\t{seccomp}\nSeccomp_filters:\t0\n"
    )


@dataclass
class MachineBuilder:
    """Builds a machine in a temporary folder: root in the first namespaces of a Debian 13, nothing else."""

    root: Path
    release: str = DEBIAN_13
    platform: str = "linux"
    environ: Mapping[str, str] = field(default_factory=dict)
    user_namespace: str = FIRST_USER_NAMESPACE
    pid_namespace: str = FIRST_PID_NAMESPACE

    def build(self, files: Mapping[str, str | bytes] | None = None) -> Machine:
        """Write ``files`` (absolute path → content) below the root, and the few that every machine has."""
        always: dict[str, str | bytes] = {"/proc/version": DEBIAN_13_BANNER, "/proc/self/status": process_status()}
        for name, content in {**always, **(files or {})}.items():
            path = self.root / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        links = self.root / "proc/self/ns"
        links.mkdir(parents=True, exist_ok=True)
        for kind, target in (("user", self.user_namespace), ("pid", self.pid_namespace)):
            (links / kind).unlink(missing_ok=True)
            (links / kind).symlink_to(target)
        return Machine(root=self.root, release=self.release, platform=self.platform, environ=self.environ)
