"""The record layer's framing (RFC 8446 section 5.1), as far as it is seen from outside the encryption.

Two needs: to read exactly one record and no byte more, so that nothing that belongs to the kernel's key is in userspace
when that key is installed; and to count records, because their number is the kernel's first ``rec_seq``.
"""

from __future__ import annotations

HEADER_BYTES = 5
# TLSCiphertext.length may not exceed 2**14 + 2048 in TLS 1.2 (RFC 5246 section 6.2.3); 2**14 + 256 in TLS 1.3.
MAX_BODY_BYTES = 16384 + 2048

CHANGE_CIPHER_SPEC = 20
ALERT = 21
HANDSHAKE = 22
APPLICATION_DATA = 23


class RecordReader:
    """Assemble one record at a time from reads of exactly ``wanted`` bytes.

    Give ``receive_data`` at most ``wanted`` bytes; it returns the record, header included, when that completes it. Of a
    record that is longer than any may be it returns the header alone: OpenSSL needs no more to refuse it with the right
    alert.
    """

    __slots__ = ("_partial", "wanted")

    def __init__(self) -> None:
        self._partial = b""
        self.wanted = HEADER_BYTES

    def receive_data(self, data: bytes) -> bytes | None:
        """Take bytes of the stream; return a whole record or None."""
        self._partial += data
        self.wanted -= len(data)
        if self.wanted < 0:
            raise ValueError("more bytes than wanted")
        if self.wanted:
            return None
        if len(self._partial) == HEADER_BYTES:
            length = int.from_bytes(self._partial[3:5], "big")
            if 0 < length <= MAX_BODY_BYTES:
                self.wanted = length
                return None
        record, self._partial, self.wanted = self._partial, b"", HEADER_BYTES
        return record


class RecordCounter:
    """Count the records of one direction, fed as a stream in any chunking.

    ``application_data`` counts whole records of that outer type; ``after_change_cipher_spec`` counts those that follow
    the last ChangeCipherSpec, which in TLS 1.2 are the ones under the new keys (RFC 5246 section 7.1).
    """

    __slots__ = ("_pending", "after_change_cipher_spec", "application_data")

    def __init__(self) -> None:
        self._pending = b""
        self.application_data = 0
        self.after_change_cipher_spec = 0

    def receive_data(self, data: bytes) -> None:
        """Count the records that ``data`` completes."""
        stream = self._pending + data
        start = 0
        while len(stream) - start >= HEADER_BYTES:
            end = start + HEADER_BYTES + int.from_bytes(stream[start + 3 : start + 5], "big")
            if end > len(stream):
                break
            self._count(stream[start])
            start = end
        self._pending = stream[start:]

    def _count(self, content_type: int) -> None:
        if content_type == CHANGE_CIPHER_SPEC:
            self.after_change_cipher_spec = 0
            return
        self.after_change_cipher_spec += 1
        if content_type == APPLICATION_DATA:
            self.application_data += 1
