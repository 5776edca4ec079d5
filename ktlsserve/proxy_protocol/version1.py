"""Version 1, a line of text (section 2.1)."""

from __future__ import annotations

import re

from ktlsserve.errors import ProxyHeaderError
from ktlsserve.proxy_protocol.header import Endpoint, ProxyHeader, endpoint

PREFIX = b"PROXY "
# PROXY UNKNOWN and CRLF.
SHORTEST_BYTES = 15
# "If the CRLF sequence is not found in the first 107 characters, the receiver should declare the line invalid."
LONGEST_BYTES = 107

_KINDS = (b"TCP4 ", b"TCP6 ", b"UNKNOWN ", b"UNKNOWN\r")
# What must still follow the first, second, third and fourth field behind the kind, in its shortest form.
_SHORTEST_RESTS = {
    b"TCP4": (b" 0.0.0.0 0 0\r\n", b" 0 0\r\n", b" 0\r\n", b"\r\n"),
    b"TCP6": (b" :: 0 0\r\n", b" 0 0\r\n", b" 0\r\n", b"\r\n"),
}
_PORT = rb"(0|[1-9][0-9]{0,4})"
_LINE = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]{2,39}) ([0-9A-Fa-f:.]{2,39}) " + _PORT + rb" " + _PORT + rb"\r\n")
_LARGEST_PORT = 65535


def missing_bytes(line: bytes) -> int:
    """Return how many bytes must still come before ``line`` can be complete: 0 if it is, and never too many.

    This is how a line is read to its end and no further without knowing where that is. Raises ProxyHeaderError as soon
    as the line can't become a valid one.
    """
    _check_kind(line[len(PREFIX) :])
    line_feed = line.find(b"\n")
    carriage_return = line.find(b"\r")
    if carriage_return >= 0 and line_feed == carriage_return + 1 == len(line) - 1:
        return 0
    # "The receiver must not tolerate a single CR or LF character to end the line."
    if line_feed >= 0 or 0 <= carriage_return < len(line) - 1:
        raise ProxyHeaderError("the PROXY line doesn't end in CRLF, or something follows its end")
    if len(line) >= LONGEST_BYTES:
        raise ProxyHeaderError(f"the PROXY line is longer than {LONGEST_BYTES} bytes")
    least = max(SHORTEST_BYTES - len(line), 1 if carriage_return >= 0 else len(_shortest_rest(line)))
    return min(least, LONGEST_BYTES - len(line))


def unpack_line(line: bytes) -> ProxyHeader:
    """Return what a complete line says; raises ProxyHeaderError."""
    if line.startswith(b"PROXY UNKNOWN"):
        # "The receiver must ignore anything presented before the CRLF is found."
        return ProxyHeader(1)
    found = _LINE.fullmatch(line)
    if found is None:
        raise ProxyHeaderError("the PROXY line isn't well-formed")
    family, source, target, source_port, target_port = found.groups()
    return ProxyHeader(1, _endpoint(family, source, source_port), _endpoint(family, target, target_port))


def _check_kind(rest: bytes) -> None:
    if not any(rest[: len(kind)] == kind[: len(rest)] for kind in _KINDS):
        raise ProxyHeaderError("the PROXY line is neither of TCP4 nor of TCP6 nor UNKNOWN")


def _shortest_rest(line: bytes) -> bytes:
    kind, *fields = line[len(PREFIX) :].split(b" ")
    rests = _SHORTEST_RESTS.get(kind, ())
    return rests[len(fields) - 1] if 0 < len(fields) <= len(rests) else b"\r\n"


def _endpoint(family: bytes, address: bytes, port: bytes) -> Endpoint:
    # "The advertised protocol family dictates what format to use."
    if (b":" in address) != (family == b"6") or int(port) > _LARGEST_PORT:
        raise ProxyHeaderError("an address or port in the PROXY line is out of range")
    try:
        return endpoint(address.decode("ascii"), int(port))
    except ValueError as error:
        raise ProxyHeaderError("an address in the PROXY line is none") from error
