"""Kernel TLS on an emulated machine whose time counts instructions.

QEMU's ``-icount shift=0,sleep=off`` makes a nanosecond of the guest one instruction: the CPU time of a process, read as
everywhere else, is then the number of instructions that it and the kernel for it have run. The same run gives the same
number within 1 %, however busy this machine is, so a few rounds are enough. Wall time means nothing there.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

from loadtests.bench.errors import SetupError
from loadtests.bench.guest_side import CASES, MARK, PEERS
from loadtests.bench.peers import CHECKOUT
from loadtests.bench.progress import Progress
from loadtests.bench.samples import Sample, sample_from_json
from tests.vm.cache import cache_root

# Besides those of the peers everywhere: what the kernel saves is told by the userspace of the reference.
REFERENCES = {"ktlsserve": ("nginx", "nginx-userspace"), "nginx-userspace": ("nginx",)}
_LIMIT_S = 900
# The wait for other guests to end.
_PATIENCE_S = 2700.0
_ICOUNT = "-icount shift=0,sleep=off"


def steps(rounds: int) -> int:
    """Count the runs."""
    return len(CASES) * len(PEERS) * rounds


def run(rounds: int, progress: Progress) -> Iterator[Sample]:
    """Yield the samples of a guest; raises SetupError where it can't be booted or ended early."""
    for line in marked_lines(["-m", "loadtests.bench.guest_side", str(rounds)], MARK, limit_s=_LIMIT_S):
        sample = sample_from_json(json.loads(line))
        progress.step(f"{sample.case} on {sample.peer}, round {sample.round + 1}")
        yield sample


def marked_lines(arguments: Sequence[str], mark: str, *, limit_s: int) -> Iterator[str]:
    """Run Python in a guest for ``limit_s`` at most, and yield what follows ``mark`` in the lines that begin with it.

    Raises SetupError where the guest can't be booted or ended early.
    """
    options = ["--cpus", "1", "--emulate", "--limit", str(limit_s), f"--qemu-opts={_ICOUNT}"]
    # Its home is another one, but it sees what the cache holds.
    options += ["--env", f"KTLSSERVE_CACHE={cache_root()}"]
    command = [sys.executable, "-m", "tests.vm", "run", *options, "--", "python", *arguments]
    said: list[str] = []
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=CHECKOUT
    ) as process:
        patience = threading.Timer(limit_s + _PATIENCE_S, process.send_signal, [signal.SIGINT])
        patience.start()
        try:
            for line in process.stdout or ():
                if line.startswith(mark):
                    yield line.removeprefix(mark)
                else:
                    said.append(line)
        finally:
            patience.cancel()
            # Not SIGTERM: the guest's keeper ends the guest when it is interrupted.
            process.send_signal(signal.SIGINT)
    if process.returncode != 0:
        raise SetupError(
            f"the guest gave no complete result: {''.join(said[-5:]).strip()}; try {shlex.join(command)} by hand"
            " (python -m tests.vm packages installs what it needs)"
        )
