"""What a worker gives up before it serves: whoever came to run code in it should find nothing there.

Theory of operation
-------------------
The supervisor keeps what it was started with, since a reload has it read certificates and bind addresses again. A
worker needs none of that: its listeners are bound, its keys loaded, its logs open, and the kernel's module for TLS is
loaded. So, in an order in which nothing is given up that a later step needs, it becomes another user (where the
configuration names one), gives up its capabilities, forbids itself new privileges, shuts its memory to other processes
of its user, and has landlock leave it nothing but to read what it serves and the program's own code: a module that is
imported late must be found. The file of the private key is then out of its reach; the key itself is in its memory,
because it signs handshakes with it.

A worker of root that was told no user keeps one capability, CAP_DAC_READ_SEARCH: it goes on serving whatever root may
read, which beneath the roots is what the operator asked for.

``apply`` comes before the worker starts any thread: most of this holds for the calling thread and those that it starts.
Nothing here costs anything later, but that landlock looks at each open.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import ktlsserve
from ktlsserve.config import ConfineMode
from ktlsserve.errors import StartupError
from ktlsserve.files.root import Root
from ktlsserve.kernel.landlock import confined_by, restrict_to_reading
from ktlsserve.kernel.machine import Machine
from ktlsserve.kernel.privileges import (
    CAP_DAC_READ_SEARCH,
    forbid_looking_in,
    forbid_new_privileges,
    limit_capabilities,
)
from ktlsserve.worker.identity import Identity

_UMASK = 0o077
# Python's library, installed packages (the second name is Debian's) and this one, and nothing else that the module path
# leads to: the current folder may be in it, and with it anything.
_PACKAGES = ("site-packages", "dist-packages")
CODE_FOLDERS = (
    str(Path(os.__file__).parent),
    *(path for path in sys.path if Path(path).name in _PACKAGES and Path(path).is_dir()),
    str(Path(ktlsserve.__file__).parent),
)


@dataclass(frozen=True, slots=True)
class InForce:
    """What a process has given up, in words, and what the operator should know of it."""

    given_up: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Confinement:
    """What is to be given up.

    ``identity`` is None where the user stays as it is, and ``landlock_abi`` what the kernel has, 0 for none. With
    ``mode`` off only the user changes; where it is required, nothing of the rest may fail. ``readable`` are paths of
    files and folders that landlock leaves readable besides the roots; they needn't exist. (What lies in /proc/self must
    be named so, and what lies in /proc/net by its folder /proc/self/net: its files are others at each look.)
    """

    mode: ConfineMode = "off"
    identity: Identity | None = None
    landlock_abi: int = 0
    readable: tuple[str, ...] = ()

    def apply(self, roots: Sequence[Root]) -> InForce:
        """Give it all up, for good, but reading beneath ``roots``, what is ``readable`` and the program's own code.

        Raises StartupError where the user can't be changed, or the new one may not search a root, or, in the mode
        required, where anything fails.
        """
        os.chdir("/")
        os.umask(_UMASK)
        if self.identity is not None:
            self.identity.become()
        for root in roots:
            root.require_access()
        given_up, warnings = [f"user {os.geteuid()}"], list(_unreadable_code())
        if self.mode == "off":
            return InForce(tuple(given_up), tuple(warnings))
        steps: list[tuple[str, Callable[[], None]]] = [
            (f"capabilities {'none' if os.geteuid() else 'CAP_DAC_READ_SEARCH'}", _limit_capabilities),
            ("no new privileges", forbid_new_privileges),
            ("not dumpable", forbid_looking_in),
        ]
        if self.landlock_abi:
            what = f"landlock ABI {self.landlock_abi}: {', '.join(confined_by(self.landlock_abi))}"
            steps.append((what, lambda: _restrict(roots, self.readable, self.landlock_abi)))
        for what, step in steps:
            try:
                step()
            except OSError as error:
                if self.mode == "required":
                    raise StartupError(f"server.confine = required, but {what} failed: {error.strerror}") from error
                warnings.append(f"not confined by {what}: {error.strerror}")
            else:
                given_up.append(what)
        return InForce(tuple(given_up), tuple(warnings))


def _limit_capabilities() -> None:
    """Keep none, or what root's worker needs to read what root may read, if it has that."""
    machine = Machine()
    kept = (os.geteuid() == 0 and machine.has_capability(CAP_DAC_READ_SEARCH)) << CAP_DAC_READ_SEARCH
    held = [int(machine.status_field(f"Cap{kind}") or "0", 16) for kind in ("Prm", "Inh", "Amb")]
    # A service manager that left none has often forbidden the call too (systemd's ~@privileged).
    if any(mask & ~kept for mask in held):
        limit_capabilities(kept)


def _restrict(roots: Sequence[Root], readable: Sequence[str], abi: int) -> None:
    with ExitStack() as opened:
        fds = [root.fileno() for root in roots]
        for path in (*CODE_FOLDERS, *readable):
            # What isn't there can't be read; what this user may not reach neither.
            with suppress(OSError):
                fds.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
                opened.callback(os.close, fds[-1])
        restrict_to_reading(fds, abi)


def _unreadable_code() -> Iterator[str]:
    for folder in CODE_FOLDERS:
        if not os.access(folder, os.R_OK | os.X_OK):
            yield f"user {os.geteuid()} may not read the program's own code in {folder}: install it where everybody may"
            return
