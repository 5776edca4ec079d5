"""``python -m loadtests.capacity``: what links of given rates take, from these inputs or from your own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields

from loadtests.capacity import Inputs, inputs_table, needs_table

LINKS_GBPS = (1.0, 10.0, 100.0, 400.0)


def main(argv: Sequence[str] | None = None) -> int:
    """Print both tables; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.capacity", description=__doc__.partition(": ")[2])
    parser.add_argument(
        "links", metavar="GBPS", nargs="*", type=_positive, help="rates of links in Gbit/s [1 10 100 400]"
    )
    for item in fields(Inputs):
        option = f"--{item.name.replace('_', '-')}"
        # Percent signs would be argparse's.
        source = item.metadata["source"].replace("%", "%%")
        parser.add_argument(
            option, metavar="NUMBER", type=_positive, default=item.default, help=f"{source} [%(default)s]"
        )
    chosen = vars(parser.parse_args(argv))
    links = tuple(chosen.pop("links")) or LINKS_GBPS
    inputs = Inputs(**chosen)
    print(needs_table(links, inputs))
    print(inputs_table(inputs), end="")
    return 0


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
