"""Find out whether KVM can run a kernel here, by running one.

That /dev/kvm opens says little: inside some virtual machines it does, and then fails on the first instructions of a
stock kernel. So the kernel is booted once with KVM, within a limit, and the answer is kept for this kernel, host, QEMU.
"""

import json
import os
import platform
import subprocess
from pathlib import Path

from tests.vm.guest import Guest, GuestOptions
from tests.vm.kernels import Kernel

_LIMIT_S = 30.0  # a guest with KVM boots in two or three


def kvm_works(kernel: Kernel, cache: Path) -> bool:
    """Tell whether `kernel` boots with KVM. The first call may take half a minute; later ones read its answer."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    answers = cache / "kvm.json"
    known: dict[str, bool] = json.loads(answers.read_text(encoding="utf-8")) if answers.exists() else {}
    key = f"{kernel.release} / {platform.release()} / {_processor()} / {_qemu_version()}"
    if key not in known:
        known[key] = _boots(kernel, cache)
        partial = answers.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(known, indent=1), encoding="utf-8")
        partial.replace(answers)
    return known[key]


def _boots(kernel: Kernel, cache: Path) -> bool:
    options = GuestOptions(kvm=True, limit_s=_LIMIT_S, boot_limit_s=_LIMIT_S, boot_attempts=1)
    with Guest(kernel, ["true"], cache, options) as guest:
        guest.wait()
        return guest.exchange.status == 0


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _qemu_version() -> str:
    done = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]
