"""Datagrams that the kernel dropped because a UDP socket's receive buffer was full."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_PROC = Path("/proc")


def udp_drops(pid: int, port: int) -> int:
    """Add up the drops of all UDP sockets on ``port`` in the network namespace of ``pid``; 0 once that has ended."""
    total = 0
    for name in ("udp", "udp6"):
        try:
            lines = (_PROC / str(pid) / "net" / name).read_text(encoding="ascii").splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += parse_drops(lines[1:], port)
    return total


def parse_drops(lines: Iterable[str], port: int) -> int:
    """Read lines of /proc/net/udp (proc(5)): the second field is address:port in hexadecimal, the last one drops."""
    columns = (line.split() for line in lines)
    return sum(int(fields[-1]) for fields in columns if int(fields[1].rpartition(":")[2], 16) == port)
