"""Signals as bytes to select on: handlers only queue, nothing happens in them."""

from __future__ import annotations

import os
import signal
import socket
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD)


class SignalQueue:
    """Queues ``SIGNALS`` from its construction to ``close``; ``fileno`` is readable while some are queued."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._previous_fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, _queue_only) for number in SIGNALS}

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._reader.fileno()

    def take(self) -> set[signal.Signals]:
        """Return the signals that came since the last call."""
        try:
            return {signal.Signals(number) for number in self._reader.recv(4096)}
        except BlockingIOError:
            return set()

    def forget(self) -> None:
        """In a forked child: stop queueing and leave the signals to nobody.

        A worker is told what to do through its control socket, so that Ctrl-C in a terminal, which reaches the whole
        process group, doesn't cut replies short.
        """
        signal.set_wakeup_fd(-1)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL if number is signal.SIGCHLD else signal.SIG_IGN)
        self._reader.close()
        self._writer.close()

    def close(self) -> None:
        """Give the signals back to whoever had them."""
        signal.set_wakeup_fd(self._previous_fd)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._reader.close()
        self._writer.close()


def _queue_only(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the wake-up descriptor has the number already."""


def exit_description(status: int) -> str:
    """Say how a process ended, from its waitpid status."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        # Real-time signals have no names of their own.
        return f"killed by {signal.Signals(number).name if number in set(signal.Signals) else f'signal {number}'}"
    return f"exit status {os.waitstatus_to_exitcode(status)}"
