"""The other end of a connection: ``python -m loadtests.syscalls.drain FD`` drops what comes, to the end.

In the kernel (MSG_TRUNC, tcp(7)), so that its processor is left to others.
"""

from __future__ import annotations

import socket
import sys

_DROP_BYTES = 4 << 20


def main(arguments: list[str]) -> int:
    """Drop all; 0 at the end of the connection."""
    buffer = bytearray(_DROP_BYTES)
    with socket.socket(fileno=int(arguments[0])) as sock:
        while sock.recv_into(buffer, _DROP_BYTES, socket.MSG_TRUNC):
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
