"""A process that confines itself as a worker does, and then tries what it should no longer be able to do.

What is in force in a process can't be read from outside in any complete way, and what a kernel says it has may be
filtered by the sandbox that it runs in. So it is tried: in a child that ends at once.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ktlsserve.kernel.landlock import landlock_abi
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.privileges import is_dumpable
from ktlsserve.worker.confinement import Confinement

_LOOPBACK = ("127.0.0.1", 0)


@dataclass(frozen=True, slots=True)
class Trial:
    """``refused`` are the things that the confined child could not do, of files, TCP, UDP and signals.

    ``capabilities`` is the mask of those that it had left, and ``warnings`` what its confinement warned of.
    """

    landlock_abi: int
    refused: tuple[str, ...]
    new_privileges: bool
    dumpable: bool
    capabilities: int
    warnings: tuple[str, ...]


def try_confinement() -> Trial:
    """Fork a child that tries; raise RuntimeError where it doesn't come to an end of it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            os.write(writer, json.dumps(_confine_and_try()).encode())
        finally:
            # Never back into the parent's stack.
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    if not text:
        raise RuntimeError("the child that confines itself has failed")
    found = json.loads(text)
    return Trial(**found | {"refused": tuple(found["refused"]), "warnings": tuple(found["warnings"])})


def _confine_and_try() -> dict[str, object]:
    machine = Machine()
    abi = landlock_abi()
    in_force = Confinement("auto", landlock_abi=abi, readable=("/proc/self/status",)).apply(())
    actions = {"files": _read_a_file, "TCP": _bind_tcp, "UDP": _bind_udp, "signals": _signal_the_parent}
    return {
        "landlock_abi": abi,
        "refused": [what for what, action in actions.items() if _is_refused(action)],
        "new_privileges": machine.status_field("NoNewPrivs") != "1",
        "dumpable": is_dumpable(),
        "capabilities": int(machine.status_field("CapEff") or "0", 16),
        "warnings": in_force.warnings,
    }


def _is_refused(action: Callable[[], None]) -> bool:
    try:
        action()
    except PermissionError:
        return True
    return False


def _read_a_file() -> None:
    """Open what this process was started from, and could read until now."""
    os.close(os.open(sys.executable, os.O_RDONLY | os.O_CLOEXEC))


def _bind_tcp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(_LOOPBACK)


def _bind_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(_LOOPBACK)


def _signal_the_parent() -> None:
    """Ask whether it could be signalled; signal 0 isn't sent (kill(2))."""
    os.kill(os.getppid(), 0)
