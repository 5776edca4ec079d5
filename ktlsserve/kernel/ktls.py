"""Kernel TLS on one connected socket (Documentation/networking/tls.rst, include/uapi/linux/tls.h).

What must be known to use it:

* ``attach_ulp`` comes right after accept: the kernel wants TCP_ESTABLISHED, and answers ENOTCONN once the peer has sent
  FIN. Until keys are installed the socket stays ordinary TCP.
* ``install_tx`` and ``install_rx`` change nothing when they fail. A *second* install_tx for TLS 1.3 succeeds silently
  on Linux 6.14 and later, even with the same key and sequence number, which would repeat nonces: whoever calls it
  owns a once-only guard (see ``ktlsserve.worker.handover``).
* With a receiving key, data and control records never mix in one read. A plain ``recv`` that meets a control record
  fails with EIO and leaves it there; ``receive_record`` reads it.
* A control record is sent with a cmsg, whole or not at all, and flushes a record that MSG_MORE had left open.
"""

from __future__ import annotations

import fcntl
import socket
import struct

from ktlsserve.errors import RxKeyError, TxKeyError, UlpError

# Python's socket module has none of these (3.11 to 3.14).
SOL_TCP = 6
TCP_ULP = 31
SOL_TLS = 282
TLS_TX = 1
TLS_RX = 2
TLS_SET_RECORD_TYPE = 1
TLS_GET_RECORD_TYPE = 2
SIOCOUTQ = 0x5411

# ContentType of RFC 8446 section 5.1.
TLS_RECORD_TYPE_CHANGE_CIPHER_SPEC = 20
TLS_RECORD_TYPE_ALERT = 21
TLS_RECORD_TYPE_HANDSHAKE = 22
TLS_RECORD_TYPE_DATA = 23

MAX_PLAINTEXT_BYTES = 16384

_CMSG_SPACE = socket.CMSG_SPACE(1)


def attach_ulp(sock: socket.socket) -> None:
    """Give the connection the TLS upper-layer protocol; raise UlpError if the kernel won't."""
    try:
        sock.setsockopt(SOL_TCP, TCP_ULP, b"tls")
    except OSError as error:
        raise UlpError(error.errno or 0) from error


def install_tx(sock: socket.socket, crypto_info: bytes) -> None:
    """Install the sending key (``pack_crypto_info``); raise TxKeyError if the kernel refuses it."""
    try:
        sock.setsockopt(SOL_TLS, TLS_TX, crypto_info)
    except OSError as error:
        raise TxKeyError(error.errno or 0) from error


def install_rx(sock: socket.socket, crypto_info: bytes) -> None:
    """Install the receiving key (``pack_crypto_info``); raise RxKeyError if the kernel refuses it."""
    try:
        sock.setsockopt(SOL_TLS, TLS_RX, crypto_info)
    except OSError as error:
        raise RxKeyError(error.errno or 0) from error


def send_control_record(sock: socket.socket, record_type: int, content: bytes) -> None:
    """Send ``content`` (1 to 16384 bytes) as one record of ``record_type``; raise OSError as sendmsg does.

    Never with MSG_MORE (EINVAL). The kernel queues it whole: a return means accepted, not sent.
    """
    sock.sendmsg([content], [(SOL_TLS, TLS_SET_RECORD_TYPE, bytes((record_type,)))])


def receive_record(sock: socket.socket, max_bytes: int) -> tuple[int | None, bytes]:
    """Read from one record: (record type, up to ``max_bytes`` of its content).

    At the end of the stream the type is None and the content empty. Content of a control record that doesn't fit is
    returned by the next call with the same type. Raises OSError: BlockingIOError when no whole record is there,
    EBADMSG for one that doesn't authenticate, EMSGSIZE or EINVAL for a malformed one.
    """
    content, control, _flags, _address = sock.recvmsg(max_bytes, _CMSG_SPACE)
    for level, kind, data in control:
        if level == SOL_TLS and kind == TLS_GET_RECORD_TYPE:
            return data[0], content
    return None, content


def unsent_bytes(sock: socket.socket) -> int:
    """Bytes that TCP hasn't had acknowledged yet (SIOCOUTQ, tcp(7)); they count records, not plaintext."""
    return int(struct.unpack("i", fcntl.ioctl(sock, SIOCOUTQ, bytes(4)))[0])
