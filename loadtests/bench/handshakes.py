"""Full TLS handshakes, made by several ``openssl s_time`` at once."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from loadtests.bench.errors import RunFailed
from loadtests.bench.place import HOST
from loadtests.bench.processors import Processors
from loadtests.bench.wrk import client_environment

# Enough that one always waits for the server: a handshake costs both sides about the same.
_CLIENTS = 4
_GRACE_S = 60.0
_COUNT = re.compile(r"^(\d+) connections in \d+ real seconds", re.MULTILINE)


def run(port: int, duration_s: int, processors: Processors, folder: Path) -> int:
    """Return how many handshakes were made; raises RunFailed where one failed."""
    command = ["openssl", "s_time", "-connect", f"{HOST}:{port}", "-new", "-tls1_3", "-time", str(duration_s)]
    clients = [
        subprocess.Popen(
            processors.for_client(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=client_environment(folder),
        )
        for _ in range(_CLIENTS)
    ]
    try:
        outputs = [process.communicate(timeout=duration_s + _GRACE_S)[0] for process in clients]
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"openssl s_time did not end within {error.timeout:g} s") from error
    finally:
        for process in clients:
            process.kill()
            process.wait()
    for process, output in zip(clients, outputs, strict=True):
        if process.returncode != 0:
            raise RunFailed(f"openssl s_time ended with status {process.returncode}: {output.strip()}")
    return sum(map(parse, outputs))


def parse(output: str) -> int:
    """Read s_time's count; raises RunFailed where it made no connection."""
    match = _COUNT.search(output)
    if match is None or int(match[1]) == 0:
        raise RunFailed(f"openssl s_time made no connection: {output.strip()}")
    return int(match[1])
