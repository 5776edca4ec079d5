"""Read a PROXY header off the beginning of a stream, and no byte of what follows it.

What follows is a TLS handshake, which must find its first byte where it is: on the socket. Version 2 tells its length
in its first 16 bytes. Version 1 ends where its CRLF is, so it is read in steps, each as long as what must still come at
the least: some six to nine reads for an IPv4 client. To look ahead with MSG_PEEK would take fewer, but a line that
comes in pieces would then be reported by epoll again and again while nothing is taken.
"""

from __future__ import annotations

from ktlsserve.errors import ProxyHeaderError
from ktlsserve.proxy_protocol import version1, version2
from ktlsserve.proxy_protocol.header import ProxyHeader


class HeaderReader:
    """Assemble a header of either version from reads of at most ``wanted`` bytes."""

    __slots__ = ("_partial", "wanted")

    def __init__(self) -> None:
        self._partial = b""
        # The shortest header there is, of version 1.
        self.wanted = version1.SHORTEST_BYTES

    def receive_data(self, data: bytes) -> ProxyHeader | None:
        """Take bytes of the stream; return the header if they complete it. Raises ProxyHeaderError."""
        if len(data) > self.wanted:
            raise ValueError("more bytes than wanted")
        partial = self._partial = self._partial + data
        if partial[:1] == version2.SIGNATURE[:1]:
            length = _version2_bytes(partial)
        elif partial[: len(version1.PREFIX)] == version1.PREFIX[: len(partial)]:
            length = len(partial) + version1.missing_bytes(partial)
        else:
            raise ProxyHeaderError("no PROXY header, which must come first; HAProxy sends one with send-proxy-v2")
        self.wanted = length - len(partial)
        if self.wanted:
            return None
        if partial[:1] == version2.SIGNATURE[:1]:
            return version2.unpack_header(partial)
        return version1.unpack_line(partial)


def _version2_bytes(partial: bytes) -> int:
    """Return how long the header is as far as that is known."""
    signature = partial[: len(version2.SIGNATURE)]
    if signature != version2.SIGNATURE[: len(signature)]:
        raise ProxyHeaderError("no PROXY header, which must come first: its signature is wrong")
    return version2.FIXED_BYTES if len(partial) < version2.FIXED_BYTES else version2.header_bytes(partial)
