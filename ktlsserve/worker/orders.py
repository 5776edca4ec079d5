"""What the supervisor and a worker say to each other, through a socket pair of which each holds an end.

The worker says READY once it serves, and ALIVE for each PING. The supervisor says RETIRE, STOP and REOPEN, which brings
a descriptor of the access log's new file: the worker may not be allowed to open it itself. The end of the supervisor's
stream has the worker finish within its time limit, which happens just so if the supervisor dies: no worker is left
alone.
"""

from __future__ import annotations

import os
import socket

from ktlsserve.observe.access_log import AccessLog

READY = b"R"
ALIVE = b"A"

PING = b"P"
RETIRE = b"L"
STOP = b"S"
REOPEN = b"O"

_READ_BYTES = 64
_MOST_DESCRIPTORS = 8


class Orders:
    """The worker's end, ``control``; PING and REOPEN are dealt with here."""

    __slots__ = ("_access_log", "_control")

    def __init__(self, control: socket.socket, access_log: AccessLog | None) -> None:
        self._control = control
        self._access_log = access_log

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._control.fileno()

    def take(self) -> bytes | None:
        """Return what the supervisor has said but PING and REOPEN, a byte each; None at the end of its stream."""
        try:
            said, descriptors, _, _ = socket.recv_fds(self._control, _READ_BYTES, _MOST_DESCRIPTORS)
        except ConnectionResetError:
            # The supervisor has closed its end, and with it a word of ours that it hadn't read.
            return None
        if not said:
            return None
        for fd in descriptors:
            # recv_fds takes flags and doesn't pass them on.
            os.set_inheritable(fd, False)
            if self._access_log is None:
                os.close(fd)
            else:
                self._access_log.move_to(fd)
        if PING in said:
            self._answer()
        return bytes(order for order in said if bytes((order,)) not in {PING, REOPEN})

    def _answer(self) -> None:
        try:
            self._control.send(ALIVE)
        except OSError:
            # It is gone, and the next turn reads the end of its stream.
            return
