"""From a finished handshake to a receiver and a sender: where the keys go into the kernel.

The order is what makes it safe:

1. ``attach_ulp`` right after accept (``prepare``), while the connection is sure to be established;
2. all bytes of the handshake have left in clear on the socket (the caller sees to it: whatever were still unsent would
   be encrypted as data);
3. TLS_TX with the counted record number; from here on OpenSSL never writes again;
4. TLS_RX where the kernel receives; only now does a sender exist, so nothing could be sent before.

If a step fails for this connection, nothing was changed: under ``--tls auto`` OpenSSL goes on in userspace.
"""

from __future__ import annotations

import errno
import logging
import socket
from dataclasses import dataclass
from functools import partial

from ktlsserve.errors import HandoverError, HandshakeError, RxKeyError, UlpError
from ktlsserve.kernel.ktls import attach_ulp
from ktlsserve.tls.handshake import Established, Handshake
from ktlsserve.worker.kernel_keys import KernelKeys
from ktlsserve.worker.receivers import KernelReceiver, OpensslReceiver, Receiver
from ktlsserve.worker.senders import KernelSender, OpensslSender, Sender, discard_output

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HandoverPlan:
    """What the kernel does on this machine, decided once at the start.

    ``kernel_sends`` is TLS_TX, ``kernel_receives`` TLS_RX (only with the former); ``required`` forbids the fallback;
    ``can_rekey`` as probed; ``max_key_updates`` per connection.
    """

    kernel_sends: bool
    kernel_receives: bool
    required: bool
    can_rekey: bool
    max_key_updates: int

    @property
    def label(self) -> str:
        """``kernel`` or ``userspace``, as the listening line says it."""
        return "kernel" if self.kernel_sends else "userspace"


@dataclass(frozen=True, slots=True)
class Halves:
    """A connection's receiver and sender, and whether the kernel encrypts."""

    receiver: Receiver
    sender: Sender
    kernel_sends: bool


def prepare(sock: socket.socket, plan: HandoverPlan) -> bool:
    """Attach the TLS upper-layer protocol to a connection just accepted; return whether the kernel will send.

    Raises UlpError where the kernel is required, or where the peer has left already.
    """
    if not plan.kernel_sends:
        return False
    try:
        attach_ulp(sock)
    except UlpError as error:
        if plan.required or error.errno == errno.ENOTCONN:
            raise
        logger.warning("a connection falls back to userspace: %s", error)
        return False
    return True


def hand_over(
    sock: socket.socket, handshake: Handshake, established: Established, plan: HandoverPlan, *, prepared: bool
) -> Halves:
    """Give the connection's keys to the kernel as far as ``plan`` says.

    ``prepared`` is what ``prepare`` returned. Where the kernel is required, raises HandoverError if it refuses, and
    HandshakeError if it can't serve this client.
    """
    if not prepared or established.tx is None or established.rx is None:
        return _in_userspace(sock, handshake, plan)
    if handshake.wants_small_records:
        if plan.required:
            raise HandshakeError("the client wants small records (max_fragment_length), which the kernel can't make")
        return _in_userspace(sock, handshake, plan)
    keys = KernelKeys(
        sock,
        established.suite,
        established.tx,
        established.rx,
        can_rekey=plan.can_rekey,
        max_key_updates=plan.max_key_updates,
    )
    try:
        keys.install_tx()
    except HandoverError as error:
        if plan.required:
            raise
        logger.warning("a connection falls back to userspace: %s", error)
        return _in_userspace(sock, handshake, plan)
    return Halves(_receiver(sock, handshake, keys, plan), KernelSender(sock, keys), kernel_sends=True)


def _receiver(sock: socket.socket, handshake: Handshake, keys: KernelKeys, plan: HandoverPlan) -> Receiver:
    """Let the kernel receive, or OpenSSL where it may not or can't; nothing was read past the handshake either way."""
    if plan.kernel_receives:
        try:
            keys.install_rx()
        except RxKeyError as error:
            logger.warning("a connection's requests are decrypted in userspace: %s", error)
        else:
            return KernelReceiver(sock, keys)
    discard = partial(discard_output, handshake.connection)
    return OpensslReceiver(sock, handshake.connection, discard, plan.max_key_updates, keys.note_key_update)


def _in_userspace(sock: socket.socket, handshake: Handshake, plan: HandoverPlan) -> Halves:
    sender = OpensslSender(sock, handshake.connection)
    receiver = OpensslReceiver(sock, handshake.connection, sender.flush, plan.max_key_updates)
    return Halves(receiver, sender, kernel_sends=False)
