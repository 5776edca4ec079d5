"""The record layer's framing (RFC 8446 section 5.1), as far as it is seen from outside the encryption.

Two needs: to read whole records and no byte more, so that nothing that belongs to the kernel's key is in userspace
when that key is installed; and to count records, because their number is the kernel's first ``rec_seq``.
"""

from __future__ import annotations

HEADER_BYTES = 5
# A Finished can't be shorter than in TLS 1.2 with ChaCha20: headers of the record and of the message, verify_data of 12
# bytes (RFC 5246 section 7.4.9), tag. In TLS 1.3, with an explicit nonce, or in several records, it is longer.
LEAST_FINISHED_BYTES = HEADER_BYTES + 4 + 12 + 16
# TLSCiphertext.length may not exceed 2**14 + 2048 in TLS 1.2 (RFC 5246 section 6.2.3); 2**14 + 256 in TLS 1.3.
MAX_BODY_BYTES = 16384 + 2048

CHANGE_CIPHER_SPEC = 20
ALERT = 21
HANDSHAKE = 22
APPLICATION_DATA = 23


class RecordReader:
    """Assemble records from reads that never go further than they may.

    Give ``receive_data`` at most ``wanted`` bytes; it returns the records, headers included, that they complete.
    ``wanted`` is what is missing of one header or body, so that nothing of what follows a record is read with it; where
    more is known to belong to what may be read, ``expect`` says so and spares reads. Of a record that is longer than
    any may be what is there is returned at once: OpenSSL needs no more to refuse it with the right alert.
    """

    __slots__ = ("_expected", "_partial", "wanted")

    def __init__(self) -> None:
        self._partial = b""
        self._expected = 0
        self.wanted = HEADER_BYTES

    def expect(self, count: int) -> None:
        """Let ``count`` bytes behind the last whole record be read, whatever is in them."""
        self._expected = max(self._expected, count - len(self._partial))
        self.wanted = max(self.wanted, self._expected)

    @property
    def partial_bytes(self) -> int:
        """How many bytes of a record that isn't complete were read."""
        return len(self._partial)

    def receive_data(self, data: bytes) -> bytes | None:
        """Take bytes of the stream; return whole records or None."""
        if len(data) > self.wanted:
            raise ValueError("more bytes than wanted")
        stream = self._partial + data
        end, missing = _split(stream)
        self._partial = stream[end:]
        self._expected -= len(data)
        self.wanted = max(missing, self._expected)
        return stream[:end] or None


def _split(stream: bytes) -> tuple[int, int]:
    """Return where the last whole record ends, and how many bytes the next header or body lacks behind it."""
    end = 0
    while (there := len(stream) - end) >= HEADER_BYTES:
        length = int.from_bytes(stream[end + 3 : end + HEADER_BYTES], "big")
        if length > MAX_BODY_BYTES:
            return len(stream), HEADER_BYTES
        if there < HEADER_BYTES + length:
            return end, HEADER_BYTES + length - there
        end += HEADER_BYTES + length
    return end, HEADER_BYTES - there


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
