"""Where a connection's bytes go: the socket itself, the kernel's encryption, or OpenSSL's.

``send`` and ``send_file`` are non-blocking, with the results of send(2) and sendfile(2): how many plaintext bytes were
taken, or BlockingIOError. Taken is not sent: ``flush`` tells how much has yet to leave, and a connection may only be
closed in order when that is 0.

A kernel sender for TLS is made by ``ktlsserve.worker.handover`` alone, after the sending key is in the kernel. Without
the object nothing can be sent, so nothing can be sent in clear.
"""

from __future__ import annotations

import os
import socket
from typing import Protocol

from OpenSSL import SSL

from ktlsserve.kernel.ktls import TLS_RECORD_TYPE_ALERT, send_control_record, unsent_bytes
from ktlsserve.observe.counters import (
    OPEN_KERNEL,
    OPEN_OFF,
    OPEN_USERSPACE,
    SENT_FILE_KERNEL,
    SENT_FILE_OFF,
    SENT_MEMORY_KERNEL,
    SENT_MEMORY_OFF,
    SENT_USERSPACE,
)
from ktlsserve.tls.openssl_extra import drop_output, encrypt, look_at_output, output_bytes
from ktlsserve.worker.kernel_keys import MOST_RECORDS, KernelKeys, most_records

# Alert: level warning, description close_notify (RFC 8446 section 6.1).
_CLOSE_NOTIFY = b"\x01\x00"
# From so many bytes on a file doesn't share a record with its head: behind it, each record of the file would begin in
# the midst of a page and of an AES block, which costs the kernel more, for each, than one more record does for all.
_OWN_RECORD_BYTES = 1 << 16
# What the fallback reads from a file and encrypts at a time: 16 records, so that a slow client holds little memory.
_ENCRYPT_BYTES = 1 << 18
# Where the file's bytes lie until they are encrypted: one place for all connections, because it is done at once.
_FILE_BYTES = memoryview(bytearray(_ENCRYPT_BYTES))


class Sender(Protocol):
    """The sending half of a connection.

    ``holds_ciphertext`` is true for a sender that keeps encrypted bytes in userspace: it must be flushed when the
    socket becomes writable. The kernel flushes by itself, and is asked from time to time. ``worn_out`` tells that the
    connection should end after its reply, because its key has protected enough. What ``send`` and ``send_file`` take is
    counted in ``memory_cell`` and ``file_cell``, the connection itself in ``open_cell`` (``observe.counters``). The
    first two are slots: an attribute of the class takes longer to read, once for each call.
    """

    holds_ciphertext: bool
    memory_cell: int
    file_cell: int
    open_cell: int

    @property
    def held_bytes(self) -> int:
        """How many encrypted bytes are in userspace."""

    @property
    def worn_out(self) -> bool:
        """Whether the sending key should protect no further reply."""

    def send(self, data: bytes | memoryview, *, following_bytes: int) -> int:
        """Take a part of ``data``; ``following_bytes`` promises that so many follow for certain, and at once."""

    def send_file(self, fd: int, offset: int, count: int) -> int:
        """Take up to ``count`` bytes of a file; 0 means that it ends before ``offset``: it was truncated."""

    def send_close_notify(self) -> None:
        """Tell the peer that nothing follows; BlockingIOError when that must be tried again."""

    def flush(self) -> int:
        """Push what is held and return the bytes that haven't left yet."""


class SocketSender:
    """Plain HTTP: TCP delivers what it took even after shutdown, so there is nothing to flush."""

    __slots__ = ("_fd", "_send", "file_cell", "memory_cell")
    holds_ciphertext = False
    held_bytes = 0
    worn_out = False
    open_cell = OPEN_OFF

    def __init__(self, sock: socket.socket) -> None:
        self.memory_cell, self.file_cell = SENT_MEMORY_OFF, SENT_FILE_OFF
        self._send = sock.send
        self._fd = sock.fileno()

    def send(self, data: bytes | memoryview, *, following_bytes: int) -> int:
        """See ``Sender``."""
        return self._send(data, socket.MSG_MORE if following_bytes else 0)

    def send_file(self, fd: int, offset: int, count: int) -> int:
        """See ``Sender``."""
        return os.sendfile(self._fd, fd, offset, count)

    def send_close_notify(self) -> None:
        """Plain HTTP has none: the end of the stream is the FIN."""

    def flush(self) -> int:
        """Return 0: see the class."""
        return 0


class KernelSender:
    """The kernel encrypts: send and sendfile take plaintext, and whole records leave.

    A record that TCP took only in part is kept by the kernel and *dropped* by close and shutdown, without a word
    (net/tls/tls_sw.c, tls_sw_release_resources_tx), so ``flush`` asks TCP what it still holds.
    """

    __slots__ = ("_fd", "_keys", "_send", "_sock", "file_cell", "memory_cell")
    holds_ciphertext = False
    held_bytes = 0
    open_cell = OPEN_KERNEL

    def __init__(self, sock: socket.socket, keys: KernelKeys) -> None:
        self.memory_cell, self.file_cell = SENT_MEMORY_KERNEL, SENT_FILE_KERNEL
        self._sock = sock
        self._send = sock.send
        self._fd = sock.fileno()
        self._keys = keys

    def send(self, data: bytes | memoryview, *, following_bytes: int) -> int:
        """See ``Sender``; a KeyUpdate that is owed goes first, and a long file begins with a record of its own."""
        if self._keys.update_owed:
            self._keys.update_sending_key()
        sent = self._send(data, socket.MSG_MORE if 0 < following_bytes < _OWN_RECORD_BYTES else 0)
        self._keys.count_sent(sent)
        return sent

    def send_file(self, fd: int, offset: int, count: int) -> int:
        """See ``Sender``; a KeyUpdate that is owed goes first."""
        if self._keys.update_owed:
            self._keys.update_sending_key()
        sent = os.sendfile(self._fd, fd, offset, count)
        self._keys.count_sent(sent)
        return sent

    def send_close_notify(self) -> None:
        """Send the alert as a control record, which also closes a record left open by MSG_MORE."""
        if self._keys.update_owed:
            self._keys.update_sending_key()
        send_control_record(self._sock, TLS_RECORD_TYPE_ALERT, _CLOSE_NOTIFY)

    @property
    def worn_out(self) -> bool:
        """See ``Sender``."""
        return self._keys.worn_out

    def flush(self) -> int:
        """Return what TCP hasn't had acknowledged."""
        return unsent_bytes(self._sock)


class OpensslSender:
    """OpenSSL encrypts, in userspace: the fallback.

    Ciphertext lies where OpenSSL put it until the socket has taken it, and while it won't, nothing more is encrypted.
    What is sent before something else waits there for what follows: a head and its file leave with one call.
    """

    __slots__ = ("_blocked", "_connection", "_records_left", "_sock_send", "file_cell", "memory_cell")
    holds_ciphertext = True
    open_cell = OPEN_USERSPACE

    def __init__(self, sock: socket.socket, connection: SSL.Connection) -> None:
        self.memory_cell = self.file_cell = SENT_USERSPACE
        self._sock_send = sock.send
        self._connection = connection
        self._blocked = False
        self._records_left = MOST_RECORDS

    @property
    def held_bytes(self) -> int:
        """See ``Sender``."""
        return output_bytes(self._connection)

    @property
    def worn_out(self) -> bool:
        """See ``Sender``: OpenSSL counts no records, and pyOpenSSL can't ask it for a KeyUpdate."""
        return self._records_left <= 0

    def send(self, data: bytes | memoryview, *, following_bytes: int) -> int:
        """See ``Sender``."""
        self._require_room()
        if len(data) > _ENCRYPT_BYTES:
            data, following_bytes = data[:_ENCRYPT_BYTES], 0
        sent = encrypt(self._connection, data)
        self._records_left -= most_records(sent)
        if not following_bytes:
            self.flush()
        return sent

    def send_file(self, fd: int, offset: int, count: int) -> int:
        """See ``Sender``."""
        self._require_room()
        count = os.preadv(fd, (_FILE_BYTES[:count],), offset)
        if not count:
            return 0
        encrypt(self._connection, _FILE_BYTES[:count])
        self._records_left -= most_records(count)
        self.flush()
        return count

    def send_close_notify(self) -> None:
        """Send the alert behind everything else."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            # The peer broke the protocol before: OpenSSL has nothing to say any more.
            return
        self.flush()

    def flush(self) -> int:
        """Push ciphertext to the socket; return how many bytes are still held."""
        while held := look_at_output(self._connection):
            try:
                sent = self._sock_send(held)
            except BlockingIOError:
                self._blocked = True
                return len(held)
            drop_output(self._connection, sent)
            if sent == len(held):
                break
        self._blocked = False
        return 0

    def _require_room(self) -> None:
        if self._blocked and self.flush():
            raise BlockingIOError


def discard_output(connection: SSL.Connection) -> None:
    """Drop what OpenSSL put out: where the kernel sends, its bytes would repeat the kernel's nonces."""
    drop_output(connection, output_bytes(connection))
