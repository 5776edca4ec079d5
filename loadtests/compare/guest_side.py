"""Inside the guest: ``python -m loadtests.compare.guest_side ROUNDS MTU...`` prints a sample for each run.

Client and servers share the only processor: only the servers' own time is read, which counts instructions there (see
loadtests.bench.guest). A sample stands on a line of its own behind ``MARK``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loadtests.baselines import BASELINES, Running, Site
from loadtests.bench import procfs
from loadtests.bench.certificate import make_certificate
from loadtests.bench.errors import BenchError, RunFailed
from loadtests.bench.kernel_tls import encrypting
from loadtests.bench.peers import python_path
from loadtests.bench.workloads import SIZES, make_tree, target
from loadtests.compare import namespace
from loadtests.compare.samples import RowKey, Sample, Unit, sample_to_json

MARK = "compare-sample "
_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class GuestCase:
    """A file fetched ``count`` times over one connection, and the figure that tells most about it."""

    name: str
    size: str
    count: int
    primary: str
    # A few requests that fill caches and memory; what one takes more is nothing beside 64 MiB.
    warm_up: int


CASES = (
    GuestCase("64 MiB once", "64MiB", 1, "instructions_per_gb", warm_up=0),
    GuestCase("10 KiB 300 times", "10KiB", 300, "instructions_per_request", warm_up=30),
)
# Those whose cost is their own: Python's QUIC would take an emulated machine minutes, and says nothing new.
SERVERS = ("ktlsserve-kernel", "ktlsserve", "nginx-tls", "nginx-h3", "nginx-h3-gso")


def main(arguments: Sequence[str]) -> int:
    """Run all cases on all servers, round by round."""
    rounds, *mtus = map(int, arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_tree(folder / "tree")
        make_certificate(folder / "server.pem")
        for mtu in mtus:
            namespace.set_mtu(mtu)
            for sample in measure(folder, SERVERS, CASES, rounds, mtu):
                print(MARK + json.dumps(sample_to_json(sample)), flush=True)
    return 0


def measure(
    folder: Path, servers: Sequence[str], cases: Sequence[GuestCase], rounds: int, mtu: int
) -> Iterator[Sample]:
    """Yield a sample for each run on the tree and with the certificate in ``folder``, the refused included."""
    pem = folder / "server.pem"
    site = Site(folder / "tree", pem, pem, pem)
    with ExitStack() as stack:
        running: dict[str, Running] = {}
        for server in servers:
            try:
                running[server] = stack.enter_context(BASELINES[server].start(site))
            except BenchError as error:
                for case in cases:
                    yield Sample(_key(server, case, mtu), 0, problem=f"at its start: {error}")
        for case in cases:
            lost: set[str] = set()
            for number in range(rounds):
                for server, started in running.items():
                    if server not in lost:
                        sample = _sample(case, started, pem, number, mtu)
                        if sample.problem:
                            lost.add(server)
                        yield sample


def _key(server: str, case: GuestCase, mtu: int) -> RowKey:
    return RowKey(server, str(BASELINES[server].protocol), mtu, case.name, Unit.INSTRUCTIONS)


def _sample(case: GuestCase, running: Running, pem: Path, number: int, mtu: int) -> Sample:
    key = _key(running.name, case, mtu)
    try:
        if not number:
            _load(case, running, pem, case.warm_up)
        with encrypting(by_kernel=running.name == "ktlsserve-kernel"):
            before_ns = procfs.cpu_time_ns(running.pids)
            _load(case, running, pem, case.count)
            instructions = procfs.cpu_time_ns(running.pids) - before_ns
    except BenchError as error:
        return Sample(key, number, problem=str(error))
    values = {
        "instructions_per_gb": instructions / (SIZES[case.size] * case.count) * 1e9,
        "instructions_per_request": instructions / case.count,
    }
    return Sample(key, number, case.count, 0, {case.primary: values[case.primary]})


def _load(case: GuestCase, running: Running, pem: Path, count: int) -> None:
    """Fetch the file over one connection, each time whole and right, or raise RunFailed."""
    if not count:
        return
    path = target(case.size)
    file = f"{pem.parent}/tree{path}"
    command = [sys.executable, "-m", "loadtests.compare.fetching", running.url + path, str(running.protocol)]
    ended = subprocess.run(
        [*command, str(pem), str(count), file],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
        env={**os.environ, **python_path()},
    )
    if ended.returncode != 0:
        raise RunFailed(ended.stderr.strip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
