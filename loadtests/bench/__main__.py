"""``python -m loadtests.bench``: choose, measure, compare, report."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from loadtests.bench import guest, machine, procfs, rounds
from loadtests.bench.cases import Tools
from loadtests.bench.certificate import make_certificate
from loadtests.bench.comparing import compare
from loadtests.bench.errors import SetupError
from loadtests.bench.options import Options, parse_options
from loadtests.bench.peers import PEERS, Peer, choose_peers
from loadtests.bench.processors import Processors, choose_here
from loadtests.bench.progress import Progress, progress
from loadtests.bench.report import Report, render
from loadtests.bench.samples import Sample
from loadtests.bench.saving import save
from loadtests.bench.selecting import choose_cases
from loadtests.bench.targets import judge
from loadtests.bench.workloads import Mode, make_tree

_TOOLS = {"wrk": "apt-get install wrk", "openssl": "apt-get install openssl", "taskset": "apt-get install util-linux"}
# Instructions are the same within 1 %: the second round is there to show it.
_GUEST_ROUNDS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the options ask for; 0 unless nothing could be measured (2) or was interrupted (130)."""
    options = parse_options(arguments)
    try:
        return _bench(options, shlex.join(["python", "-m", "loadtests.bench", *(arguments or sys.argv[1:])]))
    except SetupError as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _bench(options: Options, command: str) -> int:
    peers = choose_peers(options.peers, quick=options.quick)
    absent = [f"{peer.name}: {reason}" for peer in peers if (reason := peer.missing())]
    present = [peer for peer in peers if not peer.missing()]
    plan = rounds.Plan(
        choose_cases(options.workloads, quick=options.quick, every=options.every), present, options.rounds
    )
    if options.listing:
        print("\n".join([*(f"case {case.name}" for case in plan.cases), *(f"peer {peer.name}" for peer in peers)]))
        return 0
    processors = choose_here()
    if options.kernel == "guest":
        plan = rounds.Plan([], present, 0)
    else:
        _require_tools()
        plan = _without_kernel_tls(plan, absent)
    for reason in absent:
        print(f"bench: not measured: {reason}", file=sys.stderr)
    samples = _measure(plan, options, processors)
    figures = compare(samples, {**{peer.name: peer.references for peer in PEERS}, **guest.REFERENCES})
    facts = machine.describe(processors)
    report = Report(command, facts, _versions(present), absent, samples, figures, judge(figures))
    print(render(report))
    for path in save(report, options.out):
        print(path, file=sys.stderr)
    return 0


def _measure(plan: rounds.Plan, options: Options, processors: Processors) -> list[Sample]:
    samples: list[Sample] = []
    in_guest = options.kernel != "host"
    steps = plan.steps() + (guest.steps(_GUEST_ROUNDS) if in_guest else 0)
    with progress(steps) as shown:
        if plan.cases:
            samples += _measure_here(plan, options, processors, shown)
        if in_guest:
            samples += guest.run(_GUEST_ROUNDS, shown)
    return samples


def _measure_here(plan: rounds.Plan, options: Options, processors: Processors, shown: Progress) -> list[Sample]:
    with tempfile.TemporaryDirectory(prefix="ktlsserve-bench-") as name:
        folder = Path(name)
        ground = rounds.Ground(folder / "tree", folder / "server.pem", Tools(processors, options.duration_s, folder))
        make_tree(ground.tree)
        make_certificate(ground.pem)
        return list(rounds.run(plan, ground, shown))


def _require_tools() -> None:
    procfs.require_schedstat()
    for program, cure in _TOOLS.items():
        if shutil.which(program) is None:
            raise SetupError(f"{program} isn't installed: {cure}")


def _without_kernel_tls(plan: rounds.Plan, absent: list[str]) -> rounds.Plan:
    """Leave out what this kernel can't do, and say so."""
    reason = machine.no_kernel_tls() if any(case.mode is Mode.KERNEL for case in plan.cases) else ""
    if not reason:
        return plan
    absent.append(f"TLS by the kernel: {reason}")
    return rounds.Plan([case for case in plan.cases if case.mode is not Mode.KERNEL], plan.peers, plan.rounds)


def _versions(peers: Sequence[Peer]) -> dict[str, str]:
    return {peer.name: peer.version() for peer in peers}


if __name__ == "__main__":
    # As Ctrl-C does: whoever ends us by SIGTERM must not leave servers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
