"""``python -m loadtests.bench``: choose, measure, compare, report."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from loadtests.bench import guest, machine, procfs, rounds
from loadtests.bench.cases import Case, Tools
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
    chosen = choose_peers(options.peers, quick=options.quick)
    cases = choose_cases(options.workloads, quick=options.quick, every=options.every)
    if options.listing:
        print("\n".join([*(f"case {case.name}" for case in cases), *(f"peer {peer.name}" for peer in chosen)]))
        return 0
    absent: list[str] = []
    plan = _plan_here(cases, chosen, options, absent)
    for reason in absent:
        print(f"bench: not measured: {reason}", file=sys.stderr)
    processors = replace(choose_here(), priority=1 if options.realtime else 0)
    samples: list[Sample] = []
    status = 0
    try:
        for sample in _measure(plan, options, processors):
            samples.append(sample)  # noqa: PERF402 - those before an interruption are kept
    except (KeyboardInterrupt, SetupError) as error:
        # What was measured until then took its time, and is worth a report.
        status = 130 if isinstance(error, KeyboardInterrupt) else 2
        absent.append(f"the rest: {error or 'interrupted'}")
        print(f"bench: error: {absent[-1]}", file=sys.stderr)
    if samples:
        _report(samples, absent, options, command, processors)
    return status


def _plan_here(cases: Sequence[Case], chosen: Sequence[Peer], options: Options, absent: list[str]) -> rounds.Plan:
    """Plan what this machine can do; add to ``absent`` what it can't."""
    if options.kernel == "guest":
        return rounds.Plan([], [], 0)
    procfs.require_schedstat()
    for program, cure in _TOOLS.items():
        if shutil.which(program) is None:
            raise SetupError(f"{program} isn't installed: {cure}")
    absent += [f"{peer.name}: {reason}" for peer in chosen if (reason := peer.missing())]
    reason = machine.no_kernel_tls() if any(case.mode is Mode.KERNEL for case in cases) else ""
    if reason:
        absent.append(f"TLS by the kernel: {reason}")
        cases = [case for case in cases if case.mode is not Mode.KERNEL]
    return rounds.Plan(cases, [peer for peer in chosen if not peer.missing()], options.rounds)


def _measure(plan: rounds.Plan, options: Options, processors: Processors) -> Iterator[Sample]:
    in_guest = options.kernel != "host"
    steps = plan.steps() + (guest.steps(_GUEST_ROUNDS) if in_guest else 0)
    with progress(steps) as shown:
        if plan.cases:
            yield from _measure_here(plan, options, processors, shown)
        if in_guest:
            yield from guest.run(_GUEST_ROUNDS, shown)


def _measure_here(plan: rounds.Plan, options: Options, processors: Processors, shown: Progress) -> Iterator[Sample]:
    with tempfile.TemporaryDirectory(prefix="ktlsserve-bench-") as name:
        folder = Path(name)
        ground = rounds.Ground(folder / "tree", folder / "server.pem", Tools(processors, options.duration_s, folder))
        make_tree(ground.tree)
        make_certificate(ground.pem)
        yield from rounds.run(plan, ground, shown)


def _report(
    samples: Sequence[Sample], absent: Sequence[str], options: Options, command: str, processors: Processors
) -> None:
    references = {peer.name: peer.references for peer in PEERS} | guest.REFERENCES
    figures = compare(samples, references)
    measured = {sample.peer for sample in samples}
    versions = {peer.name: peer.version() for peer in PEERS if peer.name in measured and not peer.missing()}
    report = Report(command, machine.describe(processors), versions, absent, samples, figures, judge(figures))
    print(render(report))
    for path in save(report, options.out):
        print(path, file=sys.stderr)


if __name__ == "__main__":
    # As Ctrl-C does: whoever ends us by SIGTERM must not leave servers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
