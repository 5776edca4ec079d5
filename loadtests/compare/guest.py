"""Kernel TLS on an emulated machine whose time counts instructions, nginx with TLS and HTTP/3 beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence

from loadtests.bench.errors import SetupError
from loadtests.bench.guest import marked_lines
from loadtests.bench.peers import CHECKOUT
from loadtests.bench.progress import Progress
from loadtests.compare.guest_side import CASES, MARK, SERVERS
from loadtests.compare.samples import Sample, sample_from_json

# Instructions are the same within 1 %: the second round is there to show it.
_ROUNDS = 2
# Minutes on a quiet machine.
_LIMIT_S = 3600
PRIMARY = {case.name: case.primary for case in CASES}


def provide() -> None:
    """Fetch what the guest boots, where there is a network; raises SetupError where that can't be had."""
    command = [sys.executable, "-m", "tests.vm", "kernels"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=CHECKOUT)
    if ended.returncode != 0:
        raise SetupError(f"no kernel for the guest: {ended.stderr.strip()}")


def steps(mtus: Sequence[int]) -> int:
    """Count the runs."""
    return len(CASES) * len(SERVERS) * _ROUNDS * len(mtus)


def run(mtus: Sequence[int], progress: Progress) -> Iterator[Sample]:
    """Yield the samples of a guest; raises SetupError where it can't be booted or ended early."""
    arguments = ["-m", "loadtests.compare.guest_side", str(_ROUNDS), *map(str, mtus)]
    for line in marked_lines(arguments, MARK, limit_s=_LIMIT_S * len(mtus)):
        sample = sample_from_json(json.loads(line))
        progress.step(f"guest: {sample.key.scenario} from {sample.key.server}, MTU {sample.key.mtu}")
        yield sample
