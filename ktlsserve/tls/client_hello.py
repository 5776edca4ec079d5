"""The one thing that must be known of a ClientHello before OpenSSL acts on it (RFC 8446 section 4.1.2).

A client that offers max_fragment_length (RFC 6066 section 4) gets it from OpenSSL's server, and from then on refuses
records of more than 512 to 4096 bytes. The kernel makes records of 16 KiB, so such a connection stays with OpenSSL.
"""

from __future__ import annotations

from ktlsserve.tls.records import HANDSHAKE, HEADER_BYTES

_CLIENT_HELLO = 1
# Type 1 and length 1: whatever else it were, it would be refused.
_MAX_FRAGMENT_LENGTH = bytes.fromhex("00010001")
# legacy_version and random.
_FIXED_BYTES = 2 + 32


class HelloReader:
    """Gather the first handshake message from the records of a stream, fed in any chunking.

    ``wants_small_records`` is None until the ClientHello is complete; then it tells whether it has the extension. What
    isn't a well-formed ClientHello has none: OpenSSL will refuse it.
    """

    __slots__ = ("_message", "_stream", "wants_small_records")

    def __init__(self) -> None:
        self._stream = b""
        self._message = b""
        self.wants_small_records: bool | None = None

    def receive_data(self, data: bytes) -> None:
        """Take the next bytes of the stream, headers of records included."""
        if self.wants_small_records is not None:
            return
        self._stream += data
        while len(self._stream) >= HEADER_BYTES and self.wants_small_records is None:
            end = HEADER_BYTES + int.from_bytes(self._stream[3:5], "big")
            if len(self._stream) < end:
                return
            if self._stream[0] == HANDSHAKE:
                self._message += self._stream[HEADER_BYTES:end]
            self._stream = self._stream[end:]
            self._judge()

    def _judge(self) -> None:
        message = self._message
        if len(message) < 4:
            return
        end = 4 + int.from_bytes(message[1:4], "big")
        if message[0] != _CLIENT_HELLO:
            self.wants_small_records = False
        elif len(message) >= end:
            # The list is walked only where these bytes are, which may belong to anything.
            hello = message[4:end]
            self.wants_small_records = _MAX_FRAGMENT_LENGTH in hello and _MAX_FRAGMENT_LENGTH in _extensions(hello)
        if self.wants_small_records is not None:
            self._stream = self._message = b""


def _extensions(hello: bytes) -> set[bytes]:
    """Return types and lengths of the extensions, four bytes each, as far as the message is well-formed."""
    at = _FIXED_BYTES
    at += 1 + int.from_bytes(hello[at : at + 1], "big")  # legacy_session_id
    at += 2 + int.from_bytes(hello[at : at + 2], "big")  # cipher_suites
    at += 1 + int.from_bytes(hello[at : at + 1], "big")  # legacy_compression_methods
    at += 2
    found = set()
    while at + 4 <= len(hello):
        found.add(hello[at : at + 4])
        at += 4 + int.from_bytes(hello[at + 2 : at + 4], "big")
    return found
