"""Where a connection's plaintext comes from: the socket itself, the kernel's decryption, or OpenSSL's.

A receiver has ``recv(max_bytes)``, which behaves as a non-blocking socket's does: bytes, ``b""`` once the peer has
finished (FIN or close_notify), BlockingIOError when nothing is there. PeerViolation ends the connection. ``buffered``
is true while decrypted or undecrypted bytes may lie in userspace, where epoll can't see them.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Protocol

from OpenSSL import SSL

from ktlsserve.errors import HandoverError, PeerViolation
from ktlsserve.kernel.ktls import (
    TLS_RECORD_TYPE_ALERT,
    TLS_RECORD_TYPE_DATA,
    TLS_RECORD_TYPE_HANDSHAKE,
    receive_record,
)
from ktlsserve.tls.handshake import describe_openssl_error
from ktlsserve.tls.openssl_extra import (
    decrypt,
    give_input,
    input_bytes,
    output_bytes,
    state_callback,
    watch_states,
)
from ktlsserve.worker.kernel_keys import KernelKeys

_READ_BYTES = 65536
_ALERT_CLOSE_NOTIFY = 0
# Empty records are legal (RFC 8446 section 5.4 suggests them against traffic analysis); a stream of them is an attack.
_MAX_EMPTY_RECORDS = 32
# SSL_CB_LOOP of SSL_CTX_set_info_callback(3), and OpenSSL's name of the state in which a KeyUpdate is read.
_SSL_CB_LOOP = 1
_READ_KEY_UPDATE_STATE = b"TLSv1.3 read client key update"

# What a record can do to recv(2), in words; after each of them the kernel reads no further (net/tls/tls_sw.c).
_RECORD_FAULTS = {
    errno.EBADMSG: "a record that doesn't authenticate",
    errno.EMSGSIZE: "a record that is too large",
    errno.EINVAL: "bytes that are no TLS record",
    errno.EKEYEXPIRED: "a record after a KeyUpdate that was not taken",
}


class Receiver(Protocol):
    """The receiving half of a connection."""

    @property
    def buffered(self) -> bool:
        """Whether ``recv`` may have something that epoll doesn't know of."""

    def recv(self, max_bytes: int, /) -> bytes:
        """Return plaintext; see the module's first lines."""

    def recv_held(self, max_bytes: int, /) -> bytes:
        """Do as ``recv`` with what lies in userspace alone: the socket isn't read."""


class SocketReceiver:
    """Plain HTTP: ``recv`` is the socket's own."""

    __slots__ = ("recv",)
    buffered = False

    def __init__(self, sock: socket.socket) -> None:
        self.recv = sock.recv

    def recv_held(self, _max_bytes: int, /) -> bytes:
        """See ``Receiver``: nothing is held."""
        raise BlockingIOError


class KernelReceiver:
    """The kernel decrypts; control records are read and acted on here.

    Plain ``recv`` serves data records. EIO says that a control record heads the queue: it is read at once, because
    after a KeyUpdate poll reports nothing although the record is still there (Linux 6.14 and later). An empty result is
    the end of the stream *or* an empty data record in front of a control record: only recvmsg tells them apart.

    A recv with room to spare has the kernel decrypt the next record too. If that is a KeyUpdate, poll hides it from
    then on, and everything behind it: so where keys can change, what follows data is read at once as well. What comes
    of that other than data is kept for the next ``recv``, and ``buffered`` says so.
    """

    __slots__ = ("_kept", "_keys", "_sock", "_sock_recv", "buffered")

    def __init__(self, sock: socket.socket, keys: KernelKeys) -> None:
        self._sock = sock
        self._sock_recv = sock.recv
        self._keys = keys
        self._kept: bytes | Exception | None = None
        self.buffered = False

    def recv(self, max_bytes: int, /) -> bytes:
        """Return decrypted bytes, having dealt with the control records in front of them and behind."""
        if self.buffered:
            return self.recv_held(max_bytes)
        data = self._read(max_bytes)
        if data and self._keys.can_change:
            return self._with_what_follows(data, max_bytes)
        return data

    def recv_held(self, _max_bytes: int, /) -> bytes:
        """See ``Receiver``: what followed the data of the last ``recv``."""
        self.buffered = False
        kept, self._kept = self._kept, None
        if isinstance(kept, bytes):
            return kept
        raise kept or BlockingIOError

    def _with_what_follows(self, data: bytes, max_bytes: int) -> bytes:
        """Return ``data`` and what lies behind it, until nothing does or there is no room: then nothing is hidden."""
        while len(data) < max_bytes:
            try:
                more = self._read(max_bytes - len(data))
            except BlockingIOError:
                break
            except (OSError, PeerViolation, HandoverError) as error:
                self._kept, self.buffered = error, True
                break
            if not more:
                self._kept, self.buffered = more, True
                break
            data += more
        return data

    def _read(self, max_bytes: int) -> bytes:
        try:
            data = self._sock_recv(max_bytes)
        except OSError as error:
            if error.errno != errno.EIO:
                _raise_fault(error)
                raise
        else:
            if data:
                return data
        try:
            return self._read_by_record(max_bytes)
        except OSError as error:
            _raise_fault(error)
            raise

    def _read_by_record(self, max_bytes: int) -> bytes:
        for _ in range(_MAX_EMPTY_RECORDS):
            record_type, content = receive_record(self._sock, max_bytes)
            if record_type is None:
                return b""
            if record_type == TLS_RECORD_TYPE_DATA:
                if content:
                    return content
            elif record_type == TLS_RECORD_TYPE_HANDSHAKE:
                if not self._keys.receive_handshake_record(content):
                    return b""
            elif record_type == TLS_RECORD_TYPE_ALERT:
                _check_alert(content)
                return b""
            else:
                raise PeerViolation(f"a record of type {record_type} after the handshake")
        raise PeerViolation(f"{_MAX_EMPTY_RECORDS} records without data in a row")


def _raise_fault(error: OSError) -> None:
    """Raise PeerViolation for what a bad record does to recv; return for network errors and EAGAIN."""
    fault = _RECORD_FAULTS.get(error.errno or 0)
    if fault is not None:
        raise PeerViolation(fault) from error


def _check_alert(content: bytes) -> None:
    """Return for close_notify; raise PeerViolation for any other alert (RFC 8446 section 6)."""
    if len(content) != 2:
        raise PeerViolation(f"an alert of {len(content)} bytes")
    if content[1] != _ALERT_CLOSE_NOTIFY:
        raise PeerViolation(f"the peer sent alert {content[1]}")


class KeyUpdateWatch:
    """Notices each KeyUpdate that OpenSSL reads: counts it off ``left``, and calls ``note``."""

    __slots__ = ("left", "note")

    def __init__(self, left: int, note: Callable[[], None] | None) -> None:
        self.left = left
        self.note = note


def _watch_key_update(connection: SSL.Connection, where: int) -> None:
    """Notice a KeyUpdate; this runs in a C callback, so it is ``recv`` that raises."""
    if where & _SSL_CB_LOOP and connection.get_state_string() == _READ_KEY_UPDATE_STATE:
        watch: KeyUpdateWatch = connection.get_app_data()
        watch.left -= 1
        if watch.note is not None:
            watch.note()


_WATCH_KEY_UPDATE = state_callback(_watch_key_update)


class OpensslReceiver:
    """OpenSSL decrypts what the socket yields.

    ``emit`` takes what OpenSSL puts out while reading (an answer to a KeyUpdate): the fallback's sender passes it on;
    where the kernel sends, it must be dropped, because OpenSSL's sending key is the kernel's. ``note_key_update`` is
    then called for each KeyUpdate of the peer's, since OpenSSL's answer to it is among what is dropped.
    """

    __slots__ = ("_connection", "_emit", "_key_updates", "_sock_recv", "buffered")

    def __init__(
        self,
        sock: socket.socket,
        connection: SSL.Connection,
        emit: Callable[[], object],
        max_key_updates: int,
        note_key_update: Callable[[], None] | None = None,
    ) -> None:
        self._sock_recv = sock.recv
        self._connection = connection
        self._emit = emit
        self._key_updates = KeyUpdateWatch(max_key_updates, note_key_update)
        # The handshake may have read further than its own end.
        self.buffered = input_bytes(connection) > 0
        # Not a method of this object: OpenSSL's would then hold what holds it, for the garbage collector to find.
        connection.set_app_data(self._key_updates)
        watch_states(connection, _WATCH_KEY_UPDATE)

    def recv(self, max_bytes: int, /) -> bytes:
        """Return decrypted bytes, reading from the socket as often as it takes."""
        data = self._decrypt(max_bytes) if self.buffered else None
        while data is None:
            ciphertext = self._sock_recv(_READ_BYTES)
            if not ciphertext:
                return b""
            give_input(self._connection, ciphertext)
            data = self._decrypt(max_bytes)
        return data

    def recv_held(self, max_bytes: int, /) -> bytes:
        """See ``Receiver``: what OpenSSL was given and hasn't decrypted yet."""
        data = self._decrypt(max_bytes)
        if data is None:
            raise BlockingIOError
        return data

    def _decrypt(self, max_bytes: int) -> bytes | None:
        """Return what one record holds, or None where OpenSSL lacks bytes for a whole one."""
        connection = self._connection
        # An end that was read is here for good.
        self.buffered = True
        try:
            data = decrypt(connection, max_bytes)
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            raise PeerViolation(describe_openssl_error(error)) from error
        finally:
            if output_bytes(connection):
                self._emit()
        # Of a record that holds more than was asked for, the rest is held too.
        self.buffered = data is not None and (len(data) >= max_bytes or input_bytes(connection) > 0)
        if self._key_updates.left < 0:
            raise PeerViolation("too many KeyUpdates on one connection")
        return data
