"""The command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    quick: bool
    every: bool
    workloads: tuple[str, ...]
    peers: tuple[str, ...]
    rounds: int
    duration_s: int
    out: Path
    kernel: str
    realtime: bool
    listing: bool


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Parse the command line; leaves by SystemExit as argparse does."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.bench", description="Compare ktlsserve with other servers."
    )
    parser.add_argument("--quick", action="store_true", help="a look in two minutes: few cases, few peers, short runs")
    parser.add_argument("--all", action="store_true", dest="every", help="every combination of the workloads")
    parser.add_argument(
        "--workload",
        action="append",
        default=[],
        metavar="PART",
        help="only cases with PART in their name (* matches any)",
    )
    parser.add_argument("--peer", action="append", default=[], metavar="NAME", help="only this peer; may be repeated")
    parser.add_argument("--repeats", type=positive, metavar="N", help="rounds of each case [5, quick: 3]")
    parser.add_argument("--duration", type=positive, metavar="SECONDS", help="of a run [3, quick: 1]")
    parser.add_argument(
        "--out", type=Path, default=Path("bench-results"), metavar="DIR", help="where results go [%(default)s]"
    )
    parser.add_argument(
        "--kernel",
        choices=("host", "guest", "both"),
        default="host",
        help="host: seconds on this machine; guest: instructions, with kernel TLS on an emulated one; both [host]",
    )
    parser.add_argument(
        "--realtime",
        action="store_true",
        help="run servers and clients before everything else, for a machine that others use too; as root",
    )
    parser.add_argument(
        "--list", action="store_true", dest="listing", help="show the cases and peers, and measure nothing"
    )
    parsed = parser.parse_args(arguments)
    return Options(
        quick=parsed.quick,
        every=parsed.every,
        workloads=_split(parsed.workload),
        peers=_split(parsed.peer),
        rounds=parsed.repeats or (3 if parsed.quick else 5),
        duration_s=parsed.duration or (1 if parsed.quick else 3),
        out=parsed.out,
        kernel=parsed.kernel,
        realtime=parsed.realtime,
        listing=parsed.listing,
    )


def positive(text: str) -> int:
    """Read a whole number from 1 on, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _split(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for value in values for part in value.split(",") if part)
