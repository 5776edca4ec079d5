"""A file many times over one connection: ``python -m loadtests.compare.fetching URL PROTOCOL CA COUNT FILE``.

The load where what counts is the server's own cost, not the rate: on an emulated machine. Each answer is compared with
FILE; that the connection was kept is looked at as well.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests.baselines import Protocol
from loadtests.bench.errors import RunFailed
from loadtests.compare.curl import Connection


def main(arguments: Sequence[str]) -> int:
    """Fetch; 0, or 1 where an answer was wrong."""
    url, protocol, ca, count, file = arguments
    contents = Path(file).read_bytes()
    expected = len(contents), hashlib.sha256(contents).hexdigest()
    connection = Connection(Protocol(protocol), Path(ca))
    wrong = ""
    try:
        for _ in range(int(count)):
            if connection.fetch(url) != expected:
                wrong = "other bytes than the file's"
    except RunFailed as error:
        wrong = str(error)
    if not wrong and connection.opened != 1:
        wrong = f"{count} requests took {connection.opened} connections"
    if wrong:
        print(f"{url}: {wrong}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
