"""Inside the guest: ``python -m loadtests.bench.guest_side ROUNDS`` prints a sample for each run.

Client and servers share the only processor, which is fine: only the servers' own time is read. A sample is printed on a
line of its own behind ``MARK``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench import kernel_tls, procfs
from loadtests.bench.certificate import make_certificate
from loadtests.bench.errors import RunFailed
from loadtests.bench.peers import choose_peers
from loadtests.bench.place import Place, free_port
from loadtests.bench.processors import choose_here
from loadtests.bench.samples import Sample, sample_to_json
from loadtests.bench.servers import Server
from loadtests.bench.workloads import SIZES, Mode, make_tree, target
from loadtests.bench.wrk import client_environment

MARK = "bench-sample "
_LIMIT_S = 300.0


@dataclass(frozen=True, slots=True)
class GuestCase:
    """A file fetched ``count`` times over one connection, and the figure that tells most about it."""

    size: str
    count: int
    metric: str
    # A few requests that fill caches and memory; what one takes more is nothing beside 64 MiB.
    warm_up: int

    @property
    def name(self) -> str:
        """How options and reports call it."""
        return f"guest/{self.size}"

    def value(self, cpu_ns: int) -> float:
        """Return the figure for a server that ran ``cpu_ns`` instructions."""
        if self.metric == "instructions_per_gigabyte":
            return cpu_ns / (SIZES[self.size] * self.count) * 1e9
        return cpu_ns / self.count


CASES = (
    GuestCase("64MiB", 1, "instructions_per_gigabyte", warm_up=0),
    GuestCase("10KiB", 300, "instructions_per_request", warm_up=30),
)
# The name in the report, the peer, the mode.
PEERS = (
    ("nginx", "nginx", Mode.KERNEL),
    ("ktlsserve", "ktlsserve", Mode.KERNEL),
    ("nginx-userspace", "nginx", Mode.USERSPACE),
)


def main(arguments: Sequence[str]) -> int:
    """Run all cases on all peers, round by round."""
    rounds = int(arguments[0])
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        make_tree(folder / "tree")
        make_certificate(folder / "server.pem")
        servers = {}
        for label, peer, mode in PEERS:
            own = folder / label
            own.mkdir()
            place = Place(own, folder / "tree", folder / "server.pem", free_port(), mode)
            servers[label] = stack.enter_context(Server(choose_peers([peer], quick=False)[0], place, choose_here()))
        for case in CASES:
            for server in servers.values():
                _load(case, server, case.warm_up, folder)
            for number in range(rounds):
                for label, server in servers.items():
                    sample = _sample(case, label, server, number, folder)
                    print(MARK + json.dumps(sample_to_json(sample)), flush=True)
    return 0


def _sample(case: GuestCase, label: str, server: Server, number: int, folder: Path) -> Sample:
    try:
        encrypting_before = kernel_tls.connections()
        pids = server.pids()
        before_ns = procfs.cpu_time_ns(pids)
        _load(case, server, case.count, folder)
        cpu_ns = procfs.cpu_time_ns(pids) - before_ns
    except RunFailed as error:
        return Sample(case.name, label, number, problem=str(error))
    by_kernel = kernel_tls.connections() > encrypting_before
    if by_kernel is not (server.place.mode is Mode.KERNEL):
        return Sample(case.name, label, number, problem="the kernel encrypted" if by_kernel else "OpenSSL encrypted")
    return Sample(case.name, label, number, {case.metric: case.value(cpu_ns)})


def _load(case: GuestCase, server: Server, count: int, folder: Path) -> None:
    if not count:
        return
    url = server.place.url(target(case.size))
    command = [sys.executable, "-m", "loadtests.bench.client", url, str(count), str(SIZES[case.size])]
    ended = subprocess.run(
        [*command, str(server.place.pem)],
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
        env=client_environment(folder),
    )
    if ended.returncode != 0:
        raise RunFailed(ended.stderr.strip())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
