"""The command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.baselines import BASELINES
from loadtests.bench.options import positive
from loadtests.compare.scenarios import SCENARIOS

KERNEL_ROW = "ktlsserve-kernel"
_MTU = 1500
# 65536 is what the loopback has where nobody changes it.
_BOTH = (_MTU, 65536)
# A look: those that one wants to know of first.
_QUICK = frozenset(
    {"ktlsserve", KERNEL_ROW, "nginx-tls", "aioquic", "aioquic-gso", "qh3", "qh3-gso", "nginx-h3", "nginx-h3-gso"}
)


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    servers: tuple[str, ...]
    scenarios: tuple[str, ...]
    mtus: tuple[int, ...]
    rounds: int
    duration_s: int
    kernel: str
    out: Path
    fetch: bool
    quick: bool
    listing: bool

    @property
    def on_host(self) -> tuple[str, ...]:
        """The servers to be measured on this machine, in seconds."""
        with_kernel = self.kernel in ("host", "both")
        return tuple(name for name in self.servers if name != KERNEL_ROW or with_kernel)

    @property
    def in_guest(self) -> bool:
        """Whether an emulated machine is asked for as well."""
        return self.kernel in ("guest", "both")


def parse_options(arguments: Sequence[str] | None = None) -> Options:
    """Parse the command line; leaves by SystemExit as argparse does."""
    parsed = _parser().parse_args(arguments)
    quick = parsed.quick
    usual = tuple(name for name in BASELINES if not quick or name in _QUICK)
    return Options(
        servers=tuple(dict.fromkeys(parsed.server)) or usual,
        scenarios=tuple(dict.fromkeys(parsed.scenario)) or tuple(SCENARIOS),
        mtus=parsed.mtu,
        rounds=parsed.repeats or (2 if quick else 5),
        duration_s=parsed.duration or (2 if quick else 5),
        kernel=parsed.kernel,
        out=parsed.out,
        quick=quick,
        fetch=not parsed.no_fetch,
        listing=parsed.list,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.compare",
        description="Compare ktlsserve with QUIC servers and nginx, in a network of its own, by processor time.",
    )
    parser.add_argument("--quick", action="store_true", help="a look in less than five minutes: short runs, no Caddy")
    parser.add_argument(
        "--server",
        action="extend",
        type=_names(BASELINES),
        default=[],
        metavar="NAME[,NAME]",
        help="only these; ratios need ktlsserve",
    )
    parser.add_argument(
        "--scenario",
        action="extend",
        type=_names(SCENARIOS),
        default=[],
        metavar="NAME[,NAME]",
        help=f"only these [{','.join(SCENARIOS)}]",
    )
    parser.add_argument(
        "--mtu", type=_mtus, default=(_MTU,), metavar="BYTES|both", help="of the loopback; both: 1500 and 65536 [1500]"
    )
    parser.add_argument("--repeats", type=positive, metavar="N", help="rounds, interleaved [5, quick: 2]")
    parser.add_argument("--duration", type=positive, metavar="SECONDS", help="of a timed run [5, quick: 2]")
    parser.add_argument(
        "--kernel",
        choices=("host", "guest", "both", "none"),
        default="host",
        help="where kernel TLS is measured: on this machine, in seconds; on an emulated one, in instructions [host]",
    )
    parser.add_argument(
        "--out", type=Path, default=Path("compare-results"), metavar="DIR", help="where results go [%(default)s]"
    )
    parser.add_argument(
        "--no-fetch",
        action="store_true",
        help="do without nginx with HTTP/3 rather than fetch Debian 13's into the cache",
    )
    parser.add_argument("--list", action="store_true", help="say which servers there are and what is missing, and end")
    return parser


def _names(known: Collection[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no {name!r}, but {', '.join(known)}")
        return names

    return parse


def _mtus(text: str) -> tuple[int, ...]:
    # 1280 is the least over which QUIC works (RFC 9000, section 14), 65536 the most that Linux gives a loopback.
    found = _BOTH if text == "both" else tuple(dict.fromkeys(int(part) for part in text.split(",")))
    if not all(1280 <= mtu <= 65536 for mtu in found):
        raise argparse.ArgumentTypeError("from 1280 to 65536, or both")
    return found
