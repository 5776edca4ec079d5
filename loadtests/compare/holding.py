"""Connections that have made one request and stay open: ``python -m loadtests.compare.holding URL PROTOCOL CA COUNT``.

It says ``open`` once all are, and ends when its standard input does. One process holds them all, and each is libcurl's
own (a handle of its own), over either protocol.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loadtests.baselines import Protocol
from loadtests.bench.errors import RunFailed
from loadtests.bench.peers import CHECKOUT
from loadtests.bench.processors import Processors

OPEN = "open"
_STOP_LIMIT_S = 30.0


@contextmanager
def held(url: str, protocol: Protocol, ca: Path, count: int, processors: Processors) -> Iterator[None]:
    """Hold ``count`` connections while the block runs; raises RunFailed where they can't be had."""
    command = [sys.executable, "-m", "loadtests.compare.holding", url, protocol, str(ca), str(count)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        processors.for_client(command), stdin=pipe, stdout=pipe, stderr=pipe, text=True, cwd=CHECKOUT
    ) as process:
        try:
            said = process.stdout.readline() if process.stdout is not None else ""
            if said.strip() != OPEN:
                process.kill()
                raise RunFailed(f"{count} connections could not be held: {process.communicate()[1].strip()[-200:]}")
            yield
            process.communicate(timeout=_STOP_LIMIT_S)
        except subprocess.TimeoutExpired as error:
            raise RunFailed("the client that held connections did not end") from error
        finally:
            process.kill()


def main(arguments: Sequence[str]) -> int:
    """Open the connections, say so, and wait."""
    from loadtests.compare.curl import Connection  # noqa: PLC0415 - the side that starts this process needs none

    url, protocol, ca, count = arguments
    connections = [Connection(Protocol(protocol), Path(ca)) for _ in range(int(count))]
    try:
        for connection in connections:
            connection.fetch(url)
    except RunFailed as error:
        print(error, file=sys.stderr)
        return 1
    print(OPEN, flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
