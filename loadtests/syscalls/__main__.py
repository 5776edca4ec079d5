"""``python -m loadtests.syscalls``: what a system call costs beside a packet, and what batches save.

A call that does nothing, a copy of a packet, datagrams one by one, by sendmmsg and by UDP_SEGMENT, and sendfile by the
size of its slices: processor time of the sender, rounds in turns. The figures are put beside the claim that one system
call for each packet costs 300 % and a batch of 32 costs 10 %.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loadtests.bench.errors import BenchError, SetupError
from loadtests.bench.options import positive
from loadtests.bench.processors import Processors, choose_here
from loadtests.bench.progress import progress
from loadtests.syscalls import machine, namespace
from loadtests.syscalls.measuring import measure
from loadtests.syscalls.plot import plot
from loadtests.syscalls.preparing import QUICK, Extent, prepare
from loadtests.syscalls.report import render
from loadtests.syscalls.results import Results, to_json


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; without ``out`` nothing is written."""

    extent: Extent
    out: Path | None


def parse_options(arguments: Sequence[str] | None) -> Options:
    """Parse the command line; ends the process where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.syscalls",
        description="Measure what a system call costs beside a packet, and what batches save.",
    )
    parser.add_argument("--quick", action="store_true", help="one size of datagram, few batches and slices, short runs")
    parser.add_argument("--rounds", type=positive, metavar="N", help="runs of each case [15, quick: 5]")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write results.json, table.md and plot.svg there")
    parsed = parser.parse_args(arguments)
    extent = QUICK if parsed.quick else Extent()
    return Options(replace(extent, rounds=parsed.rounds or extent.rounds), parsed.out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report.

    Returns 0 where every case has a figure, 1 where one has none, 2 where nothing was measured, 130 if interrupted.
    """
    options = parse_options(arguments)
    command = shlex.join(["python", "-m", "loadtests.syscalls", *(sys.argv[1:] if arguments is None else arguments)])
    try:
        if options.out and importlib.util.find_spec("matplotlib") is None:
            raise SetupError("the plot needs matplotlib: pip install matplotlib, or leave --out away")
        results = _measure(options.extent, command, choose_here().server)
    except BenchError as error:
        print(f"syscalls: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(render(results), end="")
    if options.out:
        for path in save(results, options.out):
            print(path, file=sys.stderr)
    return 0 if all(result.runs for result in results.measured) else 1


def save(results: Results, folder: Path) -> list[Path]:
    """Write the results as data, as tables and as a picture; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "results.json": json.dumps(to_json(results), indent=1) + "\n",
        "table.md": render(results),
        "plot.svg": plot(results),
    }
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in contents]


def _measure(extent: Extent, command: str, processor: int) -> Results:
    network = namespace.enter()
    # For the receiver of files too, which inherits it.
    os.sched_setaffinity(0, {processor})
    facts = machine.describe(Processors(processor, ()), network)
    # One step more for the calibration.
    with prepare(extent) as prepared, progress(extent.rounds + 1) as shown:
        measured = measure(prepared.subjects, extent.rounds, extent.run_ns, shown)
    return Results(command, facts, prepared.absent, measured)


if __name__ == "__main__":
    # As Ctrl-C does: whoever ends us by SIGTERM must not leave the receiver behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
