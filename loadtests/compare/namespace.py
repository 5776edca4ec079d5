"""A network of its own for the run: a loopback with the MTU that is asked for, and counters that nobody else moves.

Loopback's usual MTU of 65536 flatters every server, QUIC most: path MTU discovery then finds jumbo packets, and a
system call carries many times what it would carry on a real network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from loadtests.bench.errors import SetupError

_OWN_NETWORK = Path("/proc/self/ns/net")
# The network namespace that the run came from: where it is another one than now, the run is in its own.
_MARK = "KTLSSERVE_COMPARE_CAME_FROM"


def inside() -> bool:
    """Tell whether this program has been run again in a network of its own."""
    here = str(_OWN_NETWORK.readlink())
    return os.environ.get(_MARK, here) != here


def enter() -> NoReturn:
    """Run this program again in a new network namespace; raises SetupError where none can be made."""
    here = str(_OWN_NETWORK.readlink())
    command = _unshare()
    tried = subprocess.run([*command, "ip", "link", "show", "lo"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        raise SetupError(f"no network namespace can be made: {tried.stderr.strip()}; run it as root")
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvpe(command[0], [*command, sys.executable, *sys.orig_argv[1:]], {**os.environ, _MARK: here})  # noqa: S606 - no shell is wanted


def set_mtu(mtu: int) -> None:
    """Bring the loopback up with an MTU; raises SetupError where the kernel refuses."""
    ended = subprocess.run(
        ["ip", "link", "set", "lo", "mtu", str(mtu), "up"], capture_output=True, text=True, check=False
    )
    if ended.returncode != 0:
        raise SetupError(f"the loopback's MTU can't be {mtu}: {ended.stderr.strip()}")


def _unshare() -> list[str]:
    """Return the command before the program; who isn't root is root in a user namespace around it."""
    for program, package in {"unshare": "util-linux", "ip": "iproute2"}.items():
        if shutil.which(program) is None:
            raise SetupError(f"{program} isn't installed: apt-get install {package}")
    return ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
