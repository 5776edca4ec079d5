"""``python -m loadtests.idle``: what 10,000 idle keep-alive connections take of a worker's memory and time.

Each connection makes one request for a small file and then nothing. Memory is what the worker's resident set grew by,
for each connection: Python's objects, OpenSSL's where it encrypts, and what the allocators keep between them; the
kernel's own, for sockets, is not in it. Time is what the worker got on a processor in some seconds without traffic, and
how often it woke up.
"""

from __future__ import annotations

import argparse
import resource
import signal
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench import procfs
from loadtests.bench.certificate import make_certificate
from loadtests.bench.errors import BenchError, RunFailed, SetupError
from loadtests.bench.peers import choose_peers, with_arguments
from loadtests.bench.place import HOST, Place, free_port
from loadtests.bench.processors import choose_here
from loadtests.bench.servers import Server
from loadtests.bench.workloads import Mode, make_tree, target

MOST_BYTES = 4096
MOST_CPU_MS_PER_S = 1.0
# There is room for all, and the first is still there when the last one is made, on a slow machine too.
_CONFIG = "[limits]\nconnections = 1000000\n[timeouts]\nidle_s = 3600\n"
# As long as an emulated processor may take, with other guests beside it.
_TIMEOUT_S = 120.0
_REQUEST = f"GET {target('1KiB')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
_REPLY_BYTES = 1024
# Before the first look: what a worker sets up for its first connections is no cost of the others.
_WARM_UP = 100
_SPARE_DESCRIPTORS = 100


@dataclass(frozen=True, slots=True)
class Look:
    """A worker at a moment: resident bytes, time on a processor, and how often it gave the processor up."""

    memory_bytes: int
    cpu_ns: int
    switches: int


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured."""

    connection_bytes: float
    cpu_ms_per_s: float
    wakes_per_s: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print.

    Returns 0 where all is within the limits, 1 where it isn't, 2 where nothing was measured, 130 if interrupted.
    The limit on memory holds where OpenSSL keeps nothing: in clear and with the kernel's TLS.
    """
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.idle",
        description="Measure what idle keep-alive connections take of a worker's memory and time.",
    )
    parser.add_argument(
        "--peer", nargs="+", default=["ktlsserve"], metavar="NAME", help="ktlsserve, nginx or both [ktlsserve]"
    )
    parser.add_argument(
        "--mode",
        nargs="+",
        choices=[mode.value for mode in Mode],
        default=["plain", "userspace"],
        metavar="MODE",
        help="who encrypts: plain (nobody), userspace, kernel; or several [plain userspace]",
    )
    parser.add_argument("--connections", type=int, default=10_000, metavar="N", help="[%(default)s]")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="N", help="without traffic [%(default)g]")
    options = parser.parse_args(arguments)
    within = True
    try:
        _require_descriptors(options.connections)
        procfs.require_schedstat()
        for mode in map(Mode, options.mode):
            for name in options.peer:
                cost = _measure(name, mode, options.connections, options.seconds)
                print(
                    f"{name} {mode}: {options.connections} idle connections, {cost.connection_bytes:.0f} bytes each, "
                    f"{cost.cpu_ms_per_s:.3f} ms of CPU time and {cost.wakes_per_s:.1f} wakes a second"
                )
                within &= name != "ktlsserve" or is_within(cost, mode)
    except BenchError as error:
        print(f"idle: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0 if within else 1


def is_within(cost: Cost, mode: Mode) -> bool:
    """Tell whether a cost keeps within the limits."""
    light = cost.connection_bytes < MOST_BYTES or mode is Mode.USERSPACE
    return light and cost.cpu_ms_per_s < MOST_CPU_MS_PER_S


def look(pid: int) -> Look:
    """Look at a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    return Look(
        int(fields["VmRSS"].split()[0]) * 1024, procfs.cpu_time_ns([pid]), int(fields["voluntary_ctxt_switches"])
    )


def _measure(name: str, mode: Mode, connections: int, seconds: float) -> Cost:
    with tempfile.TemporaryDirectory(prefix="ktlsserve-idle-") as folder_name:
        folder = Path(folder_name)
        make_tree(folder / "tree")
        make_certificate(folder / "server.pem")
        config = folder / "idle.toml"
        config.write_text(_CONFIG, encoding="ascii")
        (peer,) = choose_peers([name], quick=False)
        if name == "ktlsserve":
            peer = with_arguments(peer, "--config", str(config))
        place = Place(folder, folder / "tree", folder / "server.pem", free_port(), mode)
        with Server(peer, place, choose_here()) as server:
            worker = server.pids()[-1]
            context = ssl.create_default_context(cafile=str(place.pem)) if place.encrypted else None
            kept = [_idle_connection(place.port, context) for _ in range(_WARM_UP)]
            before = look(worker)
            kept += [_idle_connection(place.port, context) for _ in range(connections)]
            time.sleep(1)
            full = look(worker)
            time.sleep(seconds)
            after = look(worker)
            if sum(1 for _ in Path(f"/proc/{worker}/fd").iterdir()) < connections:
                raise RunFailed(f"{name} has closed connections: {server.last_words()}")
            for sock in kept:
                sock.close()
    return Cost(
        (full.memory_bytes - before.memory_bytes) / connections,
        (after.cpu_ns - full.cpu_ns) / 1e6 / seconds,
        (after.switches - full.switches) / seconds,
    )


def _idle_connection(port: int, context: ssl.SSLContext | None) -> socket.socket:
    """Make a connection and a request on it; over TLS the client forgets its session then, to keep small itself."""
    sock = socket.create_connection((HOST, port), timeout=_TIMEOUT_S)
    if context is None:
        ask(sock)
        return sock
    wrapped = context.wrap_socket(sock, server_hostname="localhost")
    ask(wrapped)
    return socket.socket(fileno=wrapped.detach())


def ask(sock: socket.socket) -> None:
    """Ask for the file and read all of the answer; raises RunFailed where none comes."""
    sock.sendall(_REQUEST)
    received = b""
    while len(received.partition(b"\r\n\r\n")[2]) < _REPLY_BYTES:
        try:
            data = sock.recv(65536)
        except TimeoutError as error:
            raise RunFailed(f"no answer within {_TIMEOUT_S:g} s") from error
        if not data:
            raise RunFailed("the server closed a connection")
        received += data


def _require_descriptors(connections: int) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    needed = connections + _WARM_UP + _SPARE_DESCRIPTORS
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SetupError(f"{connections} connections need {needed} descriptors, and there may be {hard}: ulimit -Hn")


if __name__ == "__main__":
    # As Ctrl-C does: whoever ends us by SIGTERM must not leave the server behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
