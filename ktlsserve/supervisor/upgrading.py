"""Replacing the program by a new one on the same sockets: nobody is refused, and the old one goes on if that fails.

The new program is started as the old one was, with what is now in the place of its files, and inherits the listeners
(``inherited``). Both then accept. Once the new one serves it writes a byte into a pipe, and the old one lets its
workers finish, as after a reload. Until then nothing has changed: a new program that ends, or doesn't serve within a
minute, leaves the old one as it was.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Sequence

from ktlsserve.errors import StartupError
from ktlsserve.supervisor.inherited import UPGRADE, Inherited
from ktlsserve.supervisor.listeners import Listener
from ktlsserve.supervisor.signals import SIGNALS, exit_description

logger = logging.getLogger(__name__)

# A start takes a second; on a machine that is busy with something else, several.
START_LIMIT_S = 60.0
# Meant for this process alone; the watchdog's other variable goes on to the new one.
_OWN_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID")


class Successor:
    """The new program, from its start to its word that it serves, or to its failure.

    ``fileno`` is readable when there may be an outcome, and ``limit_s`` is when it must have come.
    """

    def __init__(
        self, listeners: Sequence[Listener], inherited: Inherited, now_s: float, admin: Sequence[Listener] = ()
    ) -> None:
        """Start it with ``listeners`` and those of the ``admin`` endpoint; raise StartupError where that can't be."""
        self.limit_s = now_s + START_LIMIT_S
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        passed = [writer]
        try:
            # Duplicates: what is inheritable for a moment must not stay so.
            passed += [os.dup(listener.sock.fileno()) for listener in (*listeners, *admin)]
            for fd in passed:
                os.set_inheritable(fd, True)
            handed = {
                "predecessor": os.getpid(),
                "announce": writer,
                "listeners": [(fd, str(each.asked)) for fd, each in zip(passed[1:], listeners, strict=False)],
                "admin": [
                    (fd, str(each.asked)) for fd, each in zip(passed[1 + len(listeners) :], admin, strict=True)
                ],
                "serving": [str(address) for address in inherited.serving],
                "redirecting": [str(address) for address in inherited.redirecting],
                "administering": [str(address) for address in inherited.administering],
            }  # fmt: skip
            environ = {name: value for name, value in os.environ.items() if name not in _OWN_VARIABLES}
            self.pid = os.posix_spawn(
                sys.executable,
                [sys.executable, *sys.orig_argv[1:]],
                environ | {UPGRADE: json.dumps(handed)},
                setsigdef=[*SIGNALS, signal.SIGPIPE],
            )
        except OSError as error:
            os.close(self._reader)
            raise StartupError(f"{sys.executable} can't be started: {error.strerror}") from error
        finally:
            for fd in passed:
                os.close(fd)

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._reader

    def serves(self) -> bool:
        """Tell whether it has said that it serves."""
        try:
            return bool(os.read(self._reader, 1))
        except BlockingIOError:
            return False

    def failure(self, now_s: float) -> str | None:
        """Return why it will not serve, None while it still may; after the limit it is killed."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            return f"the new program ended: {exit_description(status)}; its own messages say why"
        if now_s >= self.limit_s:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            return f"the new program didn't serve within {START_LIMIT_S:g} s and was killed"
        return None

    def kill(self) -> None:
        """End it: the server stops, and what is only starting must not stay behind."""
        os.kill(self.pid, signal.SIGTERM)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._reader)
