"""A plain client: fetches files over one connection and looks at every answer.

It checks a server before each run, and it is the load where what counts is the server's own cost, not the rate: for
idle connections, and on an emulated machine. ``python -m loadtests.bench.client URL COUNT SIZE [PEM]`` is the latter.
"""

from __future__ import annotations

import http.client
import ssl
import sys
from pathlib import Path
from urllib.parse import urlsplit

from loadtests.bench.errors import RunFailed
from loadtests.bench.place import HOST

# An emulated machine takes seconds for what takes milliseconds elsewhere.
TIMEOUT_S = 60.0
_CHUNK_BYTES = 1 << 18


def connect(port: int, pem: Path | None) -> http.client.HTTPConnection:
    """Return a connection to be opened by its first request; over TLS that trusts only ``pem`` where that is given."""
    if pem is None:
        return http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    return http.client.HTTPSConnection(
        HOST, port, timeout=TIMEOUT_S, context=ssl.create_default_context(cafile=str(pem))
    )


def fetch(connection: http.client.HTTPConnection, path: str) -> bytes:
    """Return the body of the answer to a GET; raises RunFailed where it isn't a complete 200."""
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise RunFailed(f"GET {path}: {error!r}") from error
    if response.status != 200:
        raise RunFailed(f"GET {path}: status {response.status}")
    return body


def fetch_and_drop(connection: http.client.HTTPConnection, path: str, size_bytes: int, buffer: bytearray) -> None:
    """Read an answer and keep nothing of it; raises RunFailed where it isn't a 200 of ``size_bytes``."""
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        received = 0
        while count := response.readinto(buffer):
            received += count
    except (OSError, http.client.HTTPException) as error:
        raise RunFailed(f"GET {path}: {error!r}") from error
    if response.status != 200 or received != size_bytes:
        raise RunFailed(f"GET {path}: status {response.status}, {received} of {size_bytes} bytes")


def main(arguments: list[str]) -> int:
    """Fetch a file COUNT times over one connection; the status is 0 if each answer was right."""
    url, count, size, *pem = arguments
    parts = urlsplit(url)
    connection = connect(parts.port or 0, Path(pem[0]) if pem else None)
    buffer = bytearray(_CHUNK_BYTES)
    try:
        for _ in range(int(count)):
            fetch_and_drop(connection, parts.path, int(size), buffer)
    except RunFailed as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        connection.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
