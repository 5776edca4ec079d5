"""``python -m loadtests.compare``: choose, measure in a network of its own, report."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from loadtests.baselines import BASELINES, FetchFailed, debian
from loadtests.bench import procfs
from loadtests.bench.errors import BenchError, SetupError
from loadtests.bench.processors import Processors, choose_here
from loadtests.bench.progress import progress
from loadtests.compare import guest, machine, namespace, rounds
from loadtests.compare.ground import make_ground
from loadtests.compare.measuring import Tools
from loadtests.compare.options import Options, parse_options
from loadtests.compare.report import Report
from loadtests.compare.report_markdown import to_markdown
from loadtests.compare.rows import make_rows
from loadtests.compare.samples import Sample
from loadtests.compare.saving import save
from loadtests.compare.scenarios import SCENARIOS

# What Debian 12's nginx can't do.
FETCHED = ("nginx-h3", "nginx-h3-gso")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the options ask for.

    Returns 0; 1 if a request failed or a row was refused; 2 if nothing could be measured; 130 if interrupted.
    """
    options = parse_options(arguments)
    try:
        if options.listing:
            missing = missing_servers(options.on_host)
            print("\n".join(f"{name}: {missing.get(name, 'present')}" for name in options.on_host))
            return 0
        if not namespace.inside():
            _prepare(options)
            namespace.enter()
        # Up, before anything is looked for: whether the kernel has TLS is tried on a connection.
        namespace.set_mtu(options.mtus[0])
        command = shlex.join(["python", "-m", "loadtests.compare", *(sys.argv[1:] if arguments is None else arguments)])
        return _compare(options, missing_servers(options.on_host), command)
    except BenchError as error:
        print(f"compare: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def missing_servers(names: Iterable[str]) -> dict[str, str]:
    """Say of each server that can't be started why, and what to install."""
    return {name: reason for name in names if (reason := BASELINES[name].missing())}


def _prepare(options: Options) -> None:
    """Fetch what is to be there later, while there is a network; raises SetupError where nothing goes without it."""
    missing = missing_servers(options.on_host)
    if options.fetch and any(name in missing for name in FETCHED):
        print("compare: fetching Debian 13's nginx, which has HTTP/3, into the cache", file=sys.stderr)
        try:
            debian.fetch()
        except FetchFailed as error:
            print(f"compare: {error}", file=sys.stderr)
    if options.in_guest:
        guest.provide()


def _compare(options: Options, missing: dict[str, str], command: str) -> int:
    absent = [f"{name}: {reason}" for name, reason in missing.items()]
    for reason in absent:
        print(f"compare: not measured: {reason}", file=sys.stderr)
    servers = [name for name in options.on_host if name not in missing]
    if not servers:
        raise SetupError("none of the servers is here")
    procfs.require_schedstat()
    scenarios = [SCENARIOS[name] for name in options.scenarios]
    counted = scenarios[:1] if options.quick else scenarios
    plan = rounds.Plan(servers, scenarios, options.mtus, options.rounds, options.duration_s, counted)
    processors = choose_here()
    started = datetime.now(UTC)
    facts = machine.describe(processors)
    samples: list[Sample] = []
    status = 0
    try:
        for sample in _measure(plan, options, processors):
            samples.append(sample)  # noqa: PERF402 - those before an interruption are kept
    except (KeyboardInterrupt, SetupError) as error:
        # What was measured until then took its time, and is worth a report.
        status = 130 if isinstance(error, KeyboardInterrupt) else 2
        absent.append(f"the rest: {error or 'interrupted'}")
        print(f"compare: error: {absent[-1]}", file=sys.stderr)
    report = Report(
        command,
        f"{started:%Y-%m-%d %H:%M} UTC",
        facts,
        _settings(plan, options),
        {name: BASELINES[name].version() for name in servers} | machine.client(),
        absent,
        samples,
        make_rows(samples),
        {scenario.name: scenario.primary for scenario in SCENARIOS.values()} | guest.PRIMARY,
    )
    print(to_markdown(report))
    for path in save(report, options.out):
        print(path, file=sys.stderr)
    return status or int(_went_wrong(report))


def _measure(plan: rounds.Plan, options: Options, processors: Processors) -> Iterator[Sample]:
    with (
        progress(plan.steps() + (guest.steps(options.mtus) if options.in_guest else 0)) as shown,
        tempfile.TemporaryDirectory(prefix="ktlsserve-compare-") as name,
    ):
        folder = Path(name)
        yield from rounds.run(plan, make_ground(folder), Tools(processors, folder), shown)
        if options.in_guest:
            yield from guest.run(options.mtus, shown)


def _settings(plan: rounds.Plan, options: Options) -> dict[str, str]:
    users = ", ".join(f"{scenario.name} {scenario.users}" for scenario in plan.scenarios)
    return {
        "MTU": ", ".join(map(str, plan.mtus)),
        "rounds": str(plan.rounds),
        "a timed run": f"{plan.duration_s} s",
        "users": users,
        "kernel TLS": options.kernel,
    }


def _went_wrong(report: Report) -> bool:
    red = [row for row in report.rows if row.red or row.failures]
    for row in red:
        print(f"compare: refused: {row.key.server}, {row.key.scenario}: {row.problem}", file=sys.stderr)
    return bool(red)


if __name__ == "__main__":
    # As Ctrl-C does: whoever ends us by SIGTERM must not leave servers behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
